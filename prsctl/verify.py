"""`prsctl job verify`: proves from the records and the bytes on disk that every mini-batch is in the output exactly once."""

import tempfile
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from prsctl.client import Client
from prsctl.consoles import plain, say
from prsctl.documents import is_final, state_name
from prsctl.exit_codes import ExitCode
from prsctl.failures import CommandFailed
from prsctl.options import Format, Whereabouts
from prsctl.reach import daemon_with
from prsctl.rendering import Document, show
from prsctl.step_proof import Proof, prove
from prsctl.stored_files import StoredFiles
from prsctl.wording import counted
from prsd.v1 import jobs_pb2

_NEVER_RAN = ("Skipped", "Queued")


def verify(name: str, where: Whereabouts, step: str | None, form: Format) -> ExitCode:
    """Verifies a job that has ended, or one of its steps; DISCREPANCY when anything is not as recorded."""
    with daemon_with(name, where) as reached, tempfile.TemporaryDirectory(prefix="prs-verify-") as scratch:
        job = reached.client.job(name)
        if not is_final(job):
            raise CommandFailed(
                f"job {job.name} is {state_name(job.state)}: wait for its end (prsctl job wait {job.name}), then verify it",
                ExitCode.CONFLICT,
            )
        files = StoredFiles(reached.client.read, Path(scratch))
        steps = [_verified(reached.client, job.name, each, files) for each in _chosen(job, step)]
    wrong = sum(each["discrepancy_count"] for each in steps)
    exit_code = ExitCode.DISCREPANCY if wrong else ExitCode.OK
    document = {
        "name": job.name,
        "state": state_name(job.state),
        "ok": not wrong,
        "exit_code": int(exit_code),
        "steps": steps,
    }
    show(document, form, _view)
    if wrong:
        say(f"job {job.name}: {counted(wrong, 'discrepancy', 'discrepancies')}", "bold red")
    return exit_code


def _chosen(job: jobs_pb2.Job, step: str | None) -> list[jobs_pb2.Step]:
    steps = [each for each in job.steps if step in (None, each.name)]
    if not steps:
        names = ", ".join(each.name for each in job.steps)
        raise CommandFailed(f"job {job.name} has no step {step!r}: its steps are {names}", ExitCode.NOT_FOUND)
    return steps


def _verified(client: Client, job: str, step: jobs_pb2.Step, files: StoredFiles) -> Document:
    state = state_name(step.state)
    proof = prove(
        lambda: client.records(job, step.name),
        files,
        is_completed=state == "Completed",
        appends=step.type == "parallel",
    )
    return {
        "name": step.name,
        "type": step.type,
        "state": state,
        "ok": not proof.found.count,
        "summary": _summary(step.type, state, proof),
        **_facts(proof),
    }


def _facts(proof: Proof) -> dict[str, Any]:
    return {
        "check": proof.check,
        "mini_batches": {
            "total": proof.total,
            "succeeded": proof.succeeded,
            "failed": proof.failed,
            "empty": proof.empty,
            "unprocessed": proof.unprocessed,
        },
        "items": proof.items,
        "rows": proof.rows,
        "size_bytes": proof.size_bytes,
        "digest": proof.digest,
        "output": proof.output,
        "discrepancy_count": proof.found.count,
        "discrepancies": [each.document() for each in proof.found.listed],
    }


def _summary(kind: str, state: str, proof: Proof) -> str:
    """One line for people, whatever was found."""
    if proof.found.count:
        return f"{counted(proof.found.count, 'discrepancy', 'discrepancies')} in {counted(proof.total, 'mini-batch')}"
    if state in _NEVER_RAN:
        return f"{state}: it did not run"
    if kind == "command":
        return "completed" if state == "Completed" else f"{state}: a command step has nothing to verify"
    if state != "Completed":
        return _unfinished(state, proof)
    rest = f", {proof.failed:,} reported as failed" if proof.failed else ""
    rest += f", {proof.empty:,} empty" if proof.empty else ""
    if proof.rows is None:
        return f"{counted(proof.total, 'mini-batch')}, every one settled exactly once{rest}; no rows are appended"
    how = " (by digest and number of rows)" if proof.check == "digest" else ""
    return f"{counted(proof.rows, 'row')} of {counted(proof.succeeded, 'mini-batch')}, every one exactly once{rest}{how}"


def _unfinished(state: str, proof: Proof) -> str:
    return (
        f"{state}: {proof.succeeded:,} of {counted(proof.total, 'mini-batch')} have results, whose rows are whole; "
        f"{proof.failed:,} reported as failed, {proof.unprocessed:,} not processed; no rows were published"
    )


def _view(document: Document) -> RenderableType:
    lines = []
    for step in document["steps"]:
        lines.append(Text(f"{plain(step['name'])}: {step['summary']}", "" if step["ok"] else "bold red"))
        lines += [Text(f"  {plain(each['message'])}") for each in step["discrepancies"]]
        left = step["discrepancy_count"] - len(step["discrepancies"])
        lines += [Text(f"  and {left:,} more")] if left else []
    return Group(*lines)
