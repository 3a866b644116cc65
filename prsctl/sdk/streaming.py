"""`MLClient.jobs.stream`: a job's progress on standard output, and its end."""

import sys
from collections.abc import Iterator

from rich.console import Console

from prsctl.client import Client
from prsctl.documents import is_final, job_document
from prsctl.failures import Unreachable
from prsctl.patience import Patience
from prsctl.progress import PlainProgress
from prsctl.rendering import Document
from prsctl.sdk.failures import job_failure
from prsctl.wording import counted
from prsd.v1 import jobs_pb2

_MOST_ERRORS = 3


def stream(client: Client, name: str) -> None:
    """Prints until the job has ended; raises JobException, the script's own error first, when it did not complete."""
    console = Console(file=sys.stdout, markup=False, highlight=False, emoji=False, soft_wrap=True)
    print(f"RunId: {name}", flush=True)
    job = None
    with PlainProgress(console) as progress:
        for job in _views(client, name):
            progress.show(job)
    assert job is not None
    document = job_document(job)
    print(f"\nExecution Summary\n=================\n{_summary(document)}", flush=True)
    if document["state"] != "Completed":
        raise job_failure(_why(document))


def _views(client: Client, name: str) -> Iterator[jobs_pb2.Job]:
    """Every view of the job up to the final one, over restarts of the daemon."""
    patience = Patience(client.address)
    while True:
        try:
            for job in client.watch(name):
                patience.answered()
                yield job
                if is_final(job):
                    return
            raise Unreachable(f"the daemon at {client.address} ended the watch of job {name}")
        except Unreachable as failure:
            patience.lost(failure)


def _summary(document: Document) -> str:
    lines = [f"RunId: {document['name']}", f"Status: {document['state']}"]
    for step in document["steps"]:
        batches = step["mini_batches"]
        counts = ""
        if step["type"] == "parallel":
            counts = f", {batches['succeeded']:,} of {counted(batches['total'], 'mini-batch')}, {batches['failed']:,} failed"
        lines.append(f"  {step['name']}: {step['state']}{counts}")
    if document["state"] == "Completed":
        lines += [f"Output {name}: {path}" for name, path in document["outputs"].items()]
    return "\n".join(lines)


def _why(document: Document) -> str:
    lines = [f"job {document['name']} {document['state']}" + (f": {document['error']}" if document["error"] else "")]
    for step in document["steps"]:
        if step["state"] != "Failed":
            continue
        lines.append(f"step {step['name']}: {step['error']}")
        for error in step["errors"][:_MOST_ERRORS]:
            lines.append(f"{error['count']:,} x {error['message']}")
            lines += [error["traceback"].rstrip()] if error["traceback"] else []
        lines.append(f"look further: prsctl job logs {document['name']} --step {step['name']} --failed")
    return "\n".join(lines)
