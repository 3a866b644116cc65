"""Tables and progress fit the terminal they are drawn on; nothing of somebody else's can move its cursor."""

import io
import json
import re

import pytest
import yaml
from rich.console import Console, RenderableType

from prsctl.consoles import drawn, plain
from prsctl.documents import job_document
from prsctl.options import Format
from prsctl.progress import JobLines, PlainProgress, facts_of
from prsctl.rendering import errors_view, job_view, jobs_table, outputs_table, show, show_all, steps_table
from prsd.v1 import jobs_pb2 as pb


def on_terminal(renderable: RenderableType, width: int = 60) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=20, force_terminal=True, no_color=True, markup=False)
    with console.capture() as capture:
        console.print(renderable)
    return [line for line in capture.get().replace("\x1b[1m", "").replace("\x1b[0m", "").split("\n") if line]


def into_pipe(renderable: RenderableType) -> str:
    return drawn(renderable, Console(file=io.StringIO(), markup=False, highlight=False))


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_progress_fits_the_width(running_job: pb.Job, width: int) -> None:
    lines = on_terminal(JobLines(running_job), width)
    assert len(lines) == 4
    assert all(len(_without_styles(line)) <= width for line in lines)


def test_progress_at_60_columns_says_what_matters(running_job: pb.Job) -> None:
    first, error, second, waiting = (_without_styles(line) for line in on_terminal(JobLines(running_job)))
    assert first.startswith("score_everythi… ")
    assert "Running" in first
    assert "1,200/10,000" in first
    assert "2 failed" in first
    assert error.strip() == "6 x ValueError: bad �[31mpixel"
    assert second.split() == ["after", "Queued"]
    assert waiting.strip().startswith("waiting for step")


def test_wide_progress_has_a_bar_and_an_eta(running_job: pb.Job) -> None:
    first = _without_styles(on_terminal(JobLines(running_job), 140)[0])
    assert "━" in first
    assert "100/s  ETA 1m 28s  5 retried  120k items" in first


def test_many_steps_are_cut_to_the_height() -> None:
    job = pb.Job(name="j", state=pb.STATE_RUNNING)
    for number in range(50):
        job.steps.add(name=f"step{number}", state=pb.STATE_RUNNING if number == 40 else pb.STATE_QUEUED)
    lines = [_without_styles(line) for line in on_terminal(JobLines(job))]
    assert len(lines) <= 20
    assert any(line.startswith("step40") for line in lines)
    assert lines[-1] == "… and 34 steps more"


def test_the_total_may_still_grow() -> None:
    step = pb.Step(name="s", type="parallel", state=pb.STATE_RUNNING, division_running=True, mini_batches_per_second=2)
    step.mini_batches.CopyFrom(pb.MiniBatchCounts(total=10, succeeded=4, remaining=6))
    assert facts_of(step) == ["4/10+", "2.0/s"]


def test_plain_progress_is_a_line_at_a_change_and_one_every_five_seconds(running_job: pb.Job) -> None:
    now = [0.0]
    out = io.StringIO()
    progress = PlainProgress(Console(file=out, width=200, markup=False), ["told"], lambda: now[0])
    running_job.notices.extend(["told", "new"])
    for now[0] in (100.0, 101.0, 104.9, 105.0):
        progress.show(running_job)
    running_job.steps[0].state = pb.STATE_COMPLETED
    progress.show(running_job)
    lines = [line.split("  ")[:2] for line in out.getvalue().splitlines()]
    name = "score_everything_there_is"
    assert lines == [
        ["notice: new"],
        [name, "Running"],
        ["after", "Queued"],
        [name, "Running"],
        ["after", "Queued"],
        [name, "Completed"],
    ]


def test_job_tables_at_60_columns(failed_job: pb.Job) -> None:
    document = job_document(failed_job)
    errors = [{"name": "score", **error} for error in document["steps"][1]["errors"]]
    for view in (jobs_table([document]), job_view(document), steps_table(document["steps"]), errors_view(errors)):
        assert all(len(_without_styles(line)) <= 60 for line in on_terminal(view))
    assert "brave-oak-1a2b3c" in on_terminal(jobs_table([document]))[1]


def test_nothing_is_cut_in_a_pipe() -> None:
    path = "/a" * 200
    assert path in into_pipe(outputs_table([{"name": "o", "path": path}]))


def test_an_error_shows_the_traceback_once_and_where(failed_job: pb.Job) -> None:
    errors = [{"name": "score", **error} for error in job_document(failed_job)["steps"][1]["errors"]]
    text = into_pipe(errors_view(errors))
    assert text.startswith("score: ValueError: bad pixel\nTraceback (most recent call last):")
    assert text.endswith("exception, 6 times, mini-batches 3-4")


def test_markup_of_users_is_only_text(failed_job: pb.Job) -> None:
    failed_job.error = "[red]not markup[/red] \x1b]0;title\x07"
    text = into_pipe(job_view(job_document(failed_job)))
    assert "[red]not markup[/red] �]0;title�" in text


def test_plain_keeps_tabs_newlines_and_letters() -> None:
    assert plain("a\tb\nc é 漢") == "a\tb\nc é 漢"
    assert plain("\r\x1b\x7f\x9b") == "����"


def test_every_form_of_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"name": "é", "n": 1}
    printed = {}
    for form in Format:
        show(document, form, lambda each: each["name"])
        printed[form] = capsys.readouterr().out
    assert json.loads(printed[Format.JSON]) == document
    assert yaml.safe_load(printed[Format.YAML]) == document
    assert printed[Format.JSONL] == '{"name": "é", "n": 1}\n'
    assert printed[Format.NAME] == "é\n"
    assert printed[Format.TABLE] == "é\n"


def test_every_form_of_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    documents = [{"name": "a"}, {"name": "b"}]
    printed = {}
    for form in Format:
        show_all(documents, form, lambda each: f"{len(each)} rows")
        printed[form] = capsys.readouterr().out
    assert json.loads(printed[Format.JSON]) == documents
    assert yaml.safe_load(printed[Format.YAML]) == documents
    assert printed[Format.JSONL] == '{"name": "a"}\n{"name": "b"}\n'
    assert printed[Format.NAME] == "a\nb\n"
    assert printed[Format.TABLE] == "2 rows\n"


def test_an_empty_list_is_an_empty_array(capsys: pytest.CaptureFixture[str]) -> None:
    show_all([], Format.JSON, lambda _: "")
    assert capsys.readouterr().out == "[]\n"


def _without_styles(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)
