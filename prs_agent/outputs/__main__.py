"""`python -m prs_agent.outputs`: one commit attempt.

The agent sends b"J" (what to do), then b"P" frames with the ranges of the plan in index order, then b"E". Answers: b"q", at
most twice a second, and finally b"e" with what was published, or b"x" with what went wrong (then the rest of the plan is not
read). Exit code 0 after b"e", 1 after b"x", 2 when the agent is gone. A second attempt after a kill at any moment gives the
same file.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prs_agent.division.channel import Channel, ChannelError
from prs_agent.outputs.merge import Merged, Output, Progress, merge
from prs_agent.outputs.plan import CommitRange, in_order, parse_range
from prs_agent.outputs.problems import CommitError, PlanError
from prs_agent.outputs.publish import Published
from prs_agent.outputs.report import write_report


def main() -> int:
    """Carry out the attempt that the channel names; the answer is the exit code."""
    try:
        channel = Channel.inherited()
        _, job = channel.receive()
        return _attempt(channel, job)
    except ChannelError as error:
        print(f"prs_agent.outputs: {error}", file=sys.stderr)
        return 2


def _attempt(channel: Channel, job: dict[str, Any]) -> int:
    try:
        merged = _commit(channel, job)
    except ChannelError:
        raise
    except CommitError as error:
        channel.send(b"x", _problem(error.kind, str(error), "", error.permanent))
    except Exception as error:
        from traceback import format_exc

        channel.send(b"x", _problem("internal", f"{type(error).__name__}: {error}", format_exc(), permanent=False))
    else:
        channel.send(b"e", {**merged.file._asdict(), "rows": merged.rows, "notices": merged.notices})
        return 0
    return 1


def _commit(channel: Channel, job: dict[str, Any]) -> Merged:
    storage = Path(job["storage"])
    ranges = _ranges(channel)
    merged = Merged(Published(0, ""), 0, [])
    if job["publish"] and job.get("target"):
        progress = Progress(lambda body: channel.send(b"q", body))
        output = Output(Path(job["target"]), job["append_row"].get("format") or "text", int(job["token"]))
        merged = merge(ranges, storage / "segments", output, progress)
        merged = _with_expected_rows(merged, job.get("expected") or {}, output.format_name)
    else:
        deque(in_order(ranges), maxlen=0)  # Nothing is published: the plan is only read to its end.
    notices = merged.notices
    if job.get("report", True):
        notices = [*notices, *write_report(storage, job.get("manifest_parts"))]
    return merged._replace(notices=notices)


def _ranges(channel: Channel) -> Iterator[CommitRange]:
    """The ranges as their frames arrive."""
    while True:
        kind, body = channel.receive()
        if kind == b"E":
            return
        if kind != b"P":
            raise PlanError(f"a frame of type {kind!r} does not belong to a plan")
        try:
            yield from [parse_range(found) for found in body["ranges"]]
        except (KeyError, TypeError, ValueError) as error:
            raise PlanError(f"a range of the plan cannot be read: {type(error).__name__}: {error}") from error


def _with_expected_rows(merged: Merged, expected: dict[str, int], format_name: str) -> Merged:
    """The number of rows as it was recorded; lines are more when elements hold line ends (spec section 12 c)."""
    rows = expected.get("succeeded")
    if rows is None or rows == merged.rows:
        return merged
    notices = merged.notices
    if format_name == "text" and merged.rows > rows:
        notices = [*notices, f"returned elements hold line ends: {rows} rows take {merged.rows} lines of the output"]
    return merged._replace(rows=rows, notices=notices)


def _problem(kind: str, message: str, traceback: str, permanent: bool) -> dict[str, object]:
    return {"kind": kind, "message": message, "traceback": traceback, "permanent": permanent}


if __name__ == "__main__":
    sys.exit(main())
