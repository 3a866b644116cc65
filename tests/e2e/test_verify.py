"""`prsctl job verify` on a job of the real programs: what is right passes, and every damage is named with its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.e2e.conftest import Outcome, ParallelPipeline, Programs

SCRIPT = "import pathlib\ndef run(mini_batch):\n    return [pathlib.Path(path).name for path in mini_batch]\n"
LINE = len("00000.txt\n")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Programs, Path]]:
    """A completed job of 20 mini-batches of 2 rows, by two workers, and its output."""
    folder = tmp_path_factory.mktemp("verify")
    programs = Programs(folder)
    outcome = programs.run(ParallelPipeline(folder / "p", SCRIPT, files=40, size=2, workers=2).write(), "--name", "j")
    assert outcome.exit_code == 0, outcome.stderr
    yield programs, Path(outcome.step("score")["outputs"]["rows"])
    programs.stop_all()


def verify(programs: Programs, *more: str) -> Outcome:
    return programs.prsctl("job", "verify", "j", "--data", programs.folder / "data", *more)


def damage_of(programs: Programs) -> list[dict[str, Any]]:
    outcome = verify(programs, "-o", "json")
    assert outcome.exit_code == 12, outcome.stderr
    document = outcome.job
    assert (document["ok"], document["exit_code"]) == (False, 12)
    found: list[dict[str, Any]] = document["steps"][0]["discrepancies"]
    return found


def test_a_job_that_is_right_is_said_to_be_in_one_line_for_each_step(finished: tuple[Programs, Path]) -> None:
    programs, _ = finished
    outcome = verify(programs)
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.stdout.splitlines() == ["score: 40 rows of 20 mini-batches, every one exactly once"]
    step = verify(programs, "--step", "score", "-o", "json").job["steps"][0]
    assert (step["check"], step["rows"], step["mini_batches"]["succeeded"], step["discrepancies"]) == ("bytes", 40, 20, [])
    assert verify(programs, "--step", "other").exit_code == 5
    assert programs.prsctl("job", "verify", "nobody", "--data", programs.folder / "data").exit_code == 5


def flipped(lines: list[str]) -> list[str]:
    return [*lines[:7], "X" + lines[7][1:], *lines[8:]]


def doubled(lines: list[str]) -> list[str]:
    return [*lines[:8], *lines[7:]]


def removed(lines: list[str]) -> list[str]:
    return [*lines[:7], *lines[8:]]


def appended(lines: list[str]) -> list[str]:
    return [*lines, "one more\n"]


def swapped(lines: list[str]) -> list[str]:
    return [*lines[:7], lines[8], lines[7], *lines[9:]]


@pytest.mark.parametrize(
    ("change", "line", "mini_batch", "said"),
    [
        (flipped, 8, 3, "expected '00007.txt', found 'X0007.txt'"),
        (doubled, 9, 4, "expected '00008.txt', found '00007.txt'"),
        (removed, 8, 3, "expected '00007.txt', found '00008.txt'"),
        (appended, 41, None, "'one more' follows, which no mini-batch has returned"),
        (swapped, 8, 3, "expected '00007.txt', found '00008.txt'"),
    ],
)
def test_a_changed_output_is_named_with_its_place(
    finished: tuple[Programs, Path], change: Any, line: int, mini_batch: int | None, said: str
) -> None:
    programs, output = finished
    before = output.read_bytes()
    changed = "".join(change(before.decode().splitlines(keepends=True))).encode()
    output.write_bytes(changed)
    try:
        found = damage_of(programs)
    finally:
        output.write_bytes(before)
    differing = next(at for at in range(len(changed)) if changed[at] != before[at : at + 1].ljust(1, b"\0")[0])
    first = found[0]
    assert (first["kind"], first["output_line"], first["mini_batch"]) == ("output", line, mini_batch)
    assert first["output_offset"] == differing
    assert said in first["message"]
    assert f"byte {differing}, line {line}" in first["message"]
    if mini_batch is not None:
        segment = programs.folder / "data/jobs/j/score/segments" / first["segment"]
        assert segment.read_bytes()[first["segment_offset"]] == before[differing]
    assert any("sha256" in each["message"] for each in found)


def test_a_changed_segment_is_named_with_its_place(finished: tuple[Programs, Path]) -> None:
    programs, output = finished
    segment = next(
        path for path in (programs.folder / "data/jobs/j/score/segments").iterdir() if b"00007.txt" in path.read_bytes()
    )
    before = segment.read_bytes()
    at = before.index(b"00007.txt")
    segment.write_bytes(before[:at] + b"9" + before[at + 1 :])
    try:
        found = damage_of(programs)
        said = verify(programs)
    finally:
        segment.write_bytes(before)
    assert [each["kind"] for each in found] == ["segment", "output"]
    assert found[0]["segment"] == segment.name
    assert "damaged" in found[0]["message"]
    assert (found[1]["segment_offset"], found[1]["mini_batch"], found[1]["output_line"]) == (at, 3, 8)
    assert said.exit_code == 12
    assert segment.name in said.stdout
    assert output.exists()


def test_missing_files_are_named(finished: tuple[Programs, Path]) -> None:
    programs, output = finished
    segments = programs.folder / "data/jobs/j/score/segments"
    segments.rename(segments.with_name("aside"))
    output.rename(output.with_name("aside"))
    try:
        messages = [each["message"] for each in damage_of(programs)]
    finally:
        segments.with_name("aside").rename(segments)
        output.with_name("aside").rename(output)
    assert "there is no such file" in messages[0]
    assert "is gone" in messages[1]


def table_script(frame: str) -> str:
    return (
        f"import pathlib\nimport pandas as pd\ndef run(mini_batch):\n    n = int(pathlib.Path(mini_batch[0]).stem)\n{frame}"
    )


class Case(NamedTuple):
    """A way to append rows, and what can be verified of it."""

    arguments: str
    body: str
    check: str = "bytes"
    rows: int | None = 40

    @property
    def script(self) -> str:
        head = "import pathlib\nimport pandas as pd\ndef run(mini_batch):\n    n = int(pathlib.Path(mini_batch[0]).stem)\n"
        return f"{head}    {self.body}\n"


CASES = {
    "csv_with_columns_in_changing_order": Case(
        "--append_row_format csv",
        "return pd.DataFrame([[n, 'x,y'], [n, 'z']], columns=['a', 'b'] if n % 4 else ['b', 'a'])",
    ),
    "jsonl": Case("--append_row_format jsonl", "return [{'n': n}, {'n': 'ü'}]"),
    "parquet": Case("--append_row_format parquet", "return pd.DataFrame({'n': [n, n + 1]})", "digest"),
    "header_after_rows_without_one": Case(
        "--append_row_dataframe_header True", "return ['first', 'rows'] if n < 4 else pd.DataFrame({'n': [n, n]})"
    ),
    "no_rows": Case("", "return mini_batch", "records", None),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_format_is_verified(programs: Programs, tmp_path: Path, case: Case) -> None:
    appends = case.rows is not None
    pipeline = ParallelPipeline(
        tmp_path / "p", case.script, files=40, size=2, workers=1, arguments=case.arguments, append=appends
    )
    outcome = programs.run(pipeline.write(), "--name", "j")
    assert outcome.exit_code == 0, outcome.stderr
    verified = verify(programs, "-o", "json")
    assert verified.exit_code == 0, verified.stdout
    step = verified.job["steps"][0]
    assert (step["check"], step["rows"]) == (case.check, case.rows)
    if case.check == "digest":
        output = Path(step["output"])
        output.write_bytes(output.read_bytes().replace(b"PAR1", b"PAR2", 1))
        assert any("sha256" in each["message"] for each in damage_of(programs))


def test_failed_mini_batches_are_accounted_for_and_a_running_job_is_refused(programs: Programs, tmp_path: Path) -> None:
    fails = "    if '3' in pathlib.Path(mini_batch[0]).name:\n        raise ValueError('no')\n"
    script = f"import pathlib\ndef run(mini_batch):\n{fails}    return mini_batch\n"
    step = {"mini_batch_error_threshold": -1, "retry_settings": {"max_retries": 0}}
    pipeline = ParallelPipeline(tmp_path / "p", script, files=20, step=step).write()
    assert programs.run(pipeline, "--name", "j").exit_code == 0
    summary = verify(programs).stdout.strip()
    assert summary == "score: 18 rows of 18 mini-batches, every one exactly once, 2 reported as failed"
    programs.start_daemon()
    assert programs.prsctl("submit", pipeline, "--name", "waits", "--set", "jobs.score.compute=cpu").exit_code == 0
    refused = programs.prsctl("job", "verify", "waits", "-o", "json")
    assert refused.exit_code == 6
    assert "wait for its end" in refused.stderr
    assert json.loads(refused.stdout or "{}") == {}
