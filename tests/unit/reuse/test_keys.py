"""Which changes of a pipeline make another step of it, and which do not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from prsd.reuse.keys import Keys, differences, keys_of
from prsd.spec import parse_document
from prsd.store.rows import ReuseKey

CODE = "snapshot:" + "0" * 64


def document(**changes: Any) -> dict[str, Any]:
    """Two parallel steps without data, the second bound to the first; dotted paths with `__` for dots change values."""

    def step(**more: Any) -> dict[str, Any]:
        task = {
            "type": "run_function",
            "code": CODE,
            "entry_script": "e.py",
            "program_arguments": "--rank_mini_batch_count 3",
        }
        made = {"type": "parallel", "outputs": {"out": {"type": "uri_folder"}}, "task": task}
        return {**made, "environment_variables": {"A": "1"}, **more}

    bound = {"path": "${{parent.jobs.first.outputs.out}}", "type": "uri_folder"}
    jobs = {"first": step(inputs={"text": "x"}), "second": step(inputs={"given": bound})}
    whole: dict[str, Any] = {"type": "pipeline", "settings": {"default_compute": "local"}, "jobs": jobs}
    for path, value in changes.items():
        holder = whole["jobs"]["first"]
        *way, last = path.split("__")
        for key in way:
            holder = holder.setdefault(key, {})
        holder[last] = value
    return whole


def keys(known: dict[str, ReuseKey | None] | None = None, **changes: Any) -> Keys:
    pipeline, _ = parse_document(json.dumps(document(**changes)))
    return keys_of(pipeline, "file:///datastore", known or {})


def differing(**changes: Any) -> list[str]:
    """The parts of step `first` that differ, the digest with them."""
    before, after = keys().keys["first"], keys(**changes).keys["first"]
    found = differences(before.parts_json, after.parts_json)
    assert (before.key != after.key) == bool(found)
    return found


@pytest.mark.parametrize(
    ("path", "value", "parts"),
    [
        ("task__code", "snapshot:" + "1" * 64, ["code"]),
        ("task__entry_script", "f.py", ["entry_script"]),
        ("task__environment", "azureml:other:2", ["environment"]),
        ("task__program_arguments", "--rank_mini_batch_count 3 --b ${{inputs.text}}", ["arguments"]),
        ("task__append_row_to", "${{outputs.out}}", ["append_row_to"]),
        ("environment_variables__A", "2", ["environment_variables.A"]),
        ("environment_variables__B", "1", ["environment_variables.B"]),
        ("inputs__text", "y", ["inputs.text"]),
        ("outputs__out__type", "uri_file", ["outputs.out"]),
        ("outputs__out__path", "/somewhere", ["outputs.out"]),
        ("mini_batch_size", "7", ["mini_batch_size"]),
        ("partition_keys", ["a"], ["partition_keys"]),
        ("error_threshold", 3, ["settings.error_threshold"]),
        ("mini_batch_error_threshold", 3, ["settings.mini_batch_error_threshold"]),
        ("retry_settings__max_retries", 9, ["settings.max_retries"]),
        ("retry_settings__timeout", 9, ["settings.run_timeout_s"]),
    ],
)
def test_what_results_depend_on_is_part_of_the_key(path: str, value: object, parts: list[str]) -> None:
    assert differing(**{path: value}) == parts


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("compute", "azureml:other"),
        ("resources__instance_count", 3),
        ("max_concurrency_per_instance", 3),
        ("logging_level", "DEBUG"),
        ("display_name", "another"),
        ("description", "another"),
        ("tags", {"a": "b"}),
    ],
)
def test_what_results_do_not_depend_on_is_not(path: str, value: object) -> None:
    assert differing(**{path: value}) == []


def test_a_follower_changes_with_the_step_that_it_is_bound_to() -> None:
    before, after = keys(), keys(inputs__text="y")
    assert before.keys["second"].key != after.keys["second"].key
    assert differences(before.keys["second"].parts_json, after.keys["second"].parts_json) == ["inputs.given"]


def test_a_literal_is_part_of_the_arguments_too() -> None:
    arguments = "--rank_mini_batch_count 3 --text ${{inputs.text}}"
    one = keys(task__program_arguments=arguments).keys["first"]
    other = keys(task__program_arguments=arguments, inputs__text="y").keys["first"]
    assert differences(one.parts_json, other.parts_json) == ["arguments", "inputs.text"]


def test_data_that_cannot_be_looked_at_gives_no_key_to_a_step_and_its_followers() -> None:
    found = keys(inputs__far={"type": "uri_folder", "path": "s3://bucket/data"})
    assert not found.keys
    assert "s3" in found.reasons["first"]
    assert found.reasons["second"] == "step first, which it depends on, is run anew every time"
    assert not found.notices


def test_a_resumed_step_keeps_the_key_of_its_former() -> None:
    former = ReuseKey("of before", "{}")
    found = keys({"first": former})
    assert found.keys["first"] == former
    assert json.loads(found.keys["second"].parts_json)["inputs.given"]["of"] == "of before"
    assert set(keys({"first": None}).reasons) == {"first", "second"}
