"""Text that is no acceptable YAML, scalars that keep their text, and garbage of every kind."""

import contextlib
import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prsd.spec import InvalidPipeline, parse_document, plan_steps
from prsd.spec.located import plain
from prsd.spec.yaml_document import read_yaml

Refused = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\na: 2", 2, "duplicate key"),
        ("a: [1", 1, "not YAML"),
        ("a: 1\n---\nb: 1", 2, "more than one YAML document"),
        ("a: !!python/object:os.system x", 1, "tag"),
        ("a: !!binary x", 1, "tag"),
        ("a: *b", 1, "alias"),
        ("a: &b [*b]", 1, "alias"),
        ("? [a]\n: 1", 1, "key"),
        ("a:\n  <<: 5", 2, "'<<'"),
        ("[" * 70 + "]" * 70, 1, "nested deeper"),
    ],
)
def test_text_that_is_refused(text: str, line: int, message: str) -> None:
    with pytest.raises(InvalidPipeline) as raised:
        read_yaml(text, "f.yml")
    (problem,) = raised.value.problems
    assert message in problem.message
    assert (problem.file, problem.line) == ("f.yml", line)


@pytest.mark.parametrize("text", ["", "\0", "\ud800", "5", "[]", "x" * 5_000_000, "{" * 5000, "- " * 5000, "a: \t- b"])
def test_text_that_is_no_pipeline(text: str, refused: Refused) -> None:
    assert refused(text)


def test_a_few_aliases_cannot_stand_for_gigabytes() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    began = time.perf_counter()
    with pytest.raises(InvalidPipeline, match="too large once its aliases are expanded"):
        read_yaml("\n".join(lines), None)
    deep = ["a0: &a0 [[[[[[[[x]]]]]]]]"] + [f"a{n}: &a{n} [[[[[[[[*a{n - 1}]]]]]]]]" for n in range(1, 12)]
    with pytest.raises(InvalidPipeline, match="nested deeper"):
        read_yaml("\n".join(deep), None)
    long = "a: &a " + "x" * 1_000_000 + "\nb: [" + ", ".join(["*a"] * 5000) + "]"
    with pytest.raises(InvalidPipeline, match="too large"):
        read_yaml(long, None)
    assert time.perf_counter() - began < 10


def test_scalars_lose_nothing() -> None:
    text = "{a: yes, b: 010, c: 1.10, d: 2020-01-01, e: 1_000, f: 12:30:00, g: 1e3, "
    text += "h: 5, i: -1.5, j: true, k: ~, l: '5', m: True}"
    assert plain(read_yaml(text, None)) == {
        "a": "yes",
        "b": "010",
        "c": "1.10",
        "d": "2020-01-01",
        "e": "1_000",
        "f": "12:30:00",
        "g": "1e3",
        "h": 5,
        "i": -1.5,
        "j": True,
        "k": None,
        "l": "5",
        "m": "True",
    }


def test_aliases_and_merges_are_copies() -> None:
    text = "base: &b {x: 1, y: {z: 2}}\none: {<<: *b, x: 3}\ntwo: *b\non: *b"
    data = plain(read_yaml(text, None))
    assert data["one"] == {"x": 3, "y": {"z": 2}}
    assert data["two"] == data["base"] == data["on"]
    assert data["two"]["y"] is not data["base"]["y"]


def test_json_is_read_with_lines_and_wide_characters(refused: Refused) -> None:
    text = json.dumps(
        {"type": "pipeline", "description": "\N{GRINNING FACE}", "jobs": {"c": {"command": 1, "x": 2}}}, indent=1
    )
    problems = refused(text)
    assert problems[0].startswith("7: jobs.c.x: unknown key")
    assert plain(read_yaml(text, None))["description"] == "\N{GRINNING FACE}"


def test_hostile_text_costs_linear_time(refused: Refused) -> None:
    began = time.perf_counter()
    for piece in ("${{", "$[[", "${{ ", "${{ a", "$[[ ${{"):
        refused({"jobs.s.task.program_arguments": piece * 100_000})
    assert time.perf_counter() - began < 10


_PIECES = """
type pipeline jobs inputs outputs s data path component parallel command task run_function code /c entry_script m.py
input_data ${{inputs.data}} ${{parent.inputs.x}} ${{parent.jobs.s.outputs.out}} ${{parent.jobs.s.inputs.data}} ${{ $[[
environment image resources instance_count retry_settings timeout mini_batch_size 10kb settings default_compute mode
optional default enum min max tags properties environment_variables program_arguments --error_threshold limits
"""
_WORDS = st.sampled_from(_PIECES.split())
_SCALARS = st.one_of(_WORDS, st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_WORDS | st.text(max_size=4), inner, max_size=6)),
    max_leaves=30,
)


def _parse(document: object) -> None:
    """Any other exception fails the test."""
    if isinstance(document, str | dict):
        with contextlib.suppress(InvalidPipeline):
            pipeline, _ = parse_document(document)
            plan_steps(pipeline, job="j", default_datastore="workspaceblobstore", datastore_uri="file:///ds")


@settings(max_examples=150, deadline=None)
@given(_VALUES)
def test_garbage_raises_nothing_else(value: object) -> None:
    _parse(value)
    _parse({"type": "pipeline", "jobs": {"s": value}})
    _parse(json.dumps({"type": "pipeline", "jobs": value}))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_garbage_in_one_place_raises_nothing_else(data: st.DataObject) -> None:
    """A valid pipeline with one value replaced: garbage that gets past the first checks."""
    step = {
        "type": "parallel",
        "inputs": {"data": {"type": "mltable", "path": "/d", "mode": "direct"}, "n": 3},
        "outputs": {"out": {"type": "uri_file"}},
        "input_data": "${{inputs.data}}",
        "retry_settings": {"timeout": 3},
        "resources": {"instance_count": 1},
        "partition_keys": ["a"],
        "environment_variables": {"A": "b"},
        "task": {"type": "run_function", "code": "/c", "entry_script": "m.py", "program_arguments": "--n ${{inputs.n}}"},
    }
    component = {"component": {**step}, "inputs": {"data": {"path": "${{parent.inputs.d}}"}}}
    document: dict[str, object] = {
        "type": "pipeline",
        "settings": {"default_compute": "cpu"},
        "inputs": {"d": {"type": "mltable", "path": "/x"}},
        "outputs": {"o": {}},
        "jobs": {"a": step, "b": component},
    }
    here: object = document
    for _ in range(data.draw(st.integers(0, 6))):
        if not isinstance(here, dict) or not here:
            break
        key = data.draw(st.sampled_from(sorted(here)))
        if not isinstance(here[key], dict) or data.draw(st.booleans()):
            here[key] = data.draw(_VALUES)
            break
        here = here[key]
    _parse(document)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@,? \n\t<~0", max_size=80))
def test_random_text_raises_nothing_else(text: str) -> None:
    _parse(text)
