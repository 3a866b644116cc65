"""Why a verb cannot go on.

CommandFailed
├── Unreachable      no daemon answers
├── TimedOut         it took longer than the caller wanted to wait
├── ProgramDied      a daemon or agent that we started has ended by itself
└── InvalidPipeline  the pipeline has problems; nothing was started
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from prsctl.exit_codes import ExitCode


class CommandFailed(Exception):  # noqa: N818 - the name says what happened
    """Ends the verb: `message` goes to stderr, `exit_code` to the shell."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.UNEXPECTED) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code

    def document(self) -> dict[str, object]:
        """What `-o json` prints for a run that came to no job."""
        return {"name": None, "state": None, "exit_code": int(self.exit_code), "error": self.message, "steps": []}


class Unreachable(CommandFailed):
    """No daemon answers at the address."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.UNREACHABLE)


class TimedOut(CommandFailed):
    """What was waited for has not happened in the time that the caller gave."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.TIMED_OUT)


class ProgramDied(CommandFailed):
    """A program that prsctl started has ended by itself; the message holds the tail of its log."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a pipeline; `file` and `line` where they are known."""

    path: str
    message: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part)
        return ": ".join(part for part in (place, self.path, self.message) if part)


class InvalidPipeline(CommandFailed):
    """The pipeline cannot be run: one line for each problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems), ExitCode.INVALID)
        self.problems = tuple(problems)

    def document(self) -> dict[str, object]:
        """As for any failure, with the problems one by one."""
        return {**super().document(), "problems": [asdict(problem) for problem in self.problems]}
