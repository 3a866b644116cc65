"""The last words on a job that has ended: the real error first when it failed, else where the results are."""

from pathlib import Path

from rich.text import Text

from prsctl.consoles import messages, plain, print_table, say
from prsctl.documents import job_document, outcome_document
from prsctl.exit_codes import ExitCode
from prsctl.options import Format
from prsctl.rendering import Document, error_text, outputs_table, show
from prsctl.wording import counted, duration, elapsed_s
from prsd.v1 import jobs_pb2

_MOST_ERRORS = 3


def report_end(job: jobs_pb2.Job, exit_code: ExitCode, form: Format, data: Path | None = None) -> None:
    """Says how the job ended; `data` is the folder to name in commands, when it is not where prsctl would look."""
    document = job_document(job)
    if form is Format.TABLE:
        print_table(outputs_table(_places(document)), uncut=True)
    else:
        show(outcome_document(job, exit_code), form, lambda _: "")
    if document["state"] == "Completed":
        say(_summary(document), "green")
    else:
        _report_failure(document, f" --data {data}" if data else "")


def places_of(document: Document) -> list[Document]:
    """Every output of a job with its path: the pipeline's own, then those of the steps."""
    places = [{"name": name, "step": None, "path": path} for name, path in document["outputs"].items()]
    for step in document["steps"]:
        places += [
            {"name": f"{step['name']}.{name}", "step": step["name"], "path": p} for name, p in step["outputs"].items()
        ]
    return places


def _places(document: Document) -> list[Document]:
    """What there is to look at: an output of a step that did not complete was never published."""
    states = {None: document["state"], **{step["name"]: step["state"] for step in document["steps"]}}
    published = [place for place in places_of(document) if states[place["step"]] == "Completed"]
    outputs = [{**place, "name": f"output {place['name']}"} for place in published]
    logs = [{"name": f"logs   {step['name']}", "path": step["logs"]} for step in document["steps"] if step["logs"]]
    return outputs + logs


def _summary(document: Document) -> str:
    took = elapsed_s(document["create_time"], document["end_time"])
    batches = [step["mini_batches"] for step in document["steps"] if step["type"] == "parallel"]
    failed = sum(each["failed"] for each in batches)
    words = [f"job {document['name']} {document['state']}"]
    if batches:
        words.append(counted(sum(each["succeeded"] for each in batches), "mini-batch"))
    if failed:
        words.append(f"{failed:,} failed (within the thresholds)")
    return ", ".join(words) + ("" if took is None else f" in {duration(took)}")


def _report_failure(document: Document, suffix: str) -> None:
    """What failed and why, the traceback, how often and where, and one command to go on: the last lines that are printed."""
    failed = [step for step in document["steps"] if step["state"] == "Failed"]
    # A step says it better, when it says the same.
    reason = "" if document["error"] in ["", *(step["error"] for step in failed)] else f": {document['error']}"
    say(f"job {document['name']} {document['state']}{reason}", "bold red")
    for step in failed:
        _report_step(step)
    step_option = f" --step {failed[0]['name']}" if len(failed) == 1 and len(document["steps"]) > 1 else ""
    verb = "logs" if document["state"] == "Failed" else "show"
    say(f"look further: prsctl job {verb} {document['name']}{step_option if verb == 'logs' else ''}{suffix}")


def _report_step(step: Document) -> None:
    batches = step["mini_batches"]
    line = Text.assemble((f"step {plain(step['name'])}", "bold"), f": {plain(step['error'] or 'failed')}")
    messages().print(line)
    if step["type"] == "parallel":
        total = counted(batches["total"], "mini-batch")
        say(f"  {batches['failed']:,} of {total} failed, {batches['succeeded']:,} succeeded")
    for error in step["errors"][:_MOST_ERRORS]:
        is_told = error["traceback"] and error["message"] in step["error"]
        messages().print(error_text({**error, "message": ""} if is_told else error))
    if len(step["errors"]) > _MOST_ERRORS:
        say(f"  and {counted(len(step['errors']) - _MOST_ERRORS, 'other distinct error')}", "dim")
