"""`python -m prs_agent.division`: one divide attempt.

The agent sends one frame b"J" (see `job`). Answers: b"p" for each part that is durable now, then b"e" with the notices and
the manifest's kind, or b"x" with what went wrong. Exit code 0 after b"e", 1 after b"x", 2 when the agent is gone.
"""

from __future__ import annotations

import sys

from prs_agent.division.channel import Channel, ChannelError
from prs_agent.division.divide import divide
from prs_agent.division.job import DivideJob, Part, parse_job
from prs_agent.division.manifest import ManifestWriter
from prs_agent.division.notices import Notices
from prs_agent.division.problems import DivisionError


def main() -> int:
    """Carry out the attempt that the channel names; the answer is the exit code."""
    try:
        channel = Channel.inherited()
        _, body = channel.receive()
        return _attempt(channel, parse_job(body))
    except ChannelError as error:
        print(f"prs_agent.division: {error}", file=sys.stderr)
        return 2


def _attempt(channel: Channel, job: DivideJob) -> int:
    def announce(part: Part) -> None:
        channel.send(b"p", part.to_json())

    notices = Notices()
    try:
        kind = divide(job, ManifestWriter(job, announce), notices)
    except ChannelError:
        raise
    except DivisionError as error:
        channel.send(b"x", _problem(error.kind, str(error), "", error.permanent))
    except Exception as error:
        from traceback import format_exc

        channel.send(b"x", _problem("internal", f"{type(error).__name__}: {error}", format_exc(), permanent=False))
    else:
        channel.send(b"e", {"notices": notices.lines(), "kind": kind})
        return 0
    return 1


def _problem(kind: str, message: str, traceback: str, permanent: bool) -> dict[str, object]:
    return {"kind": kind, "message": message, "traceback": traceback, "permanent": permanent}


if __name__ == "__main__":
    sys.exit(main())
