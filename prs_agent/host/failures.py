"""What went wrong in user code, in words: one line, a traceback without our frames, and what the exception asks for."""

from __future__ import annotations

import os
import traceback
from types import TracebackType
from typing import Any, Dict, Optional, Union

TRACEBACK_LIMIT = 16 * 1024  # bytes; a failure travels to the daemon
MESSAGE_LIMIT = 2 * 1024  # characters
Directive = Union[None, str, Dict[str, float]]

_OUR_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
_ARGPARSE_HINT = (
    "argparse refused the arguments%s. sys.argv holds the runtime's arguments beside the script's own: "
    "use parser.parse_known_args() instead of parser.parse_args()"
)
_PERMANENT_CODES = ("noretry",)
_DIRECTIVES = {"restartprocess": "restart_process", "stopprocess": "stop_process"}


class StartError(Exception):
    """The worker cannot work. `permanent`: no worker could, so that nothing is gained by starting another."""

    def __init__(self, kind: str, message: str, traceback_text: str = "", permanent: bool = False) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.traceback_text = traceback_text
        self.permanent = permanent


class LoadError(Exception):
    """A mini-batch could not be read. `permanent`: reading it again gives the same."""

    def __init__(self, message: str, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class RowsError(Exception):
    """What run() returned cannot be written in the format that the step asks for; to run it again cannot help."""


def describe(error: BaseException) -> str:
    """One line for people: "ValueError: bad pixel"."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # str() of an exception is user code, too
        text = "(its text cannot be shown)"
    hint = _argparse_hint(error)
    line = type(error).__name__ + (": " + text if text else "") + (": " + hint if hint else "")
    return line if len(line) <= MESSAGE_LIMIT else line[: MESSAGE_LIMIT - 1] + "…"


def format_traceback(error: BaseException) -> str:
    """The traceback from the first frame that is not ours; long ones lose their middle."""
    frames = error.__traceback__
    while frames is not None and _is_ours(frames):
        frames = frames.tb_next
    try:
        text = "".join(traceback.format_exception(type(error), error, frames))
    except Exception:  # an exception whose parts raise when they are shown
        text = "".join(traceback.format_tb(frames)) + describe(error) + "\n"
    hint = _argparse_hint(error)
    return _without_middle(text + hint + "\n" if hint else text)


def _is_ours(frames: TracebackType) -> bool:
    name = frames.tb_frame.f_code.co_filename
    # importlib's own frames lie between ours and those of a module that is being imported.
    return name.startswith((_OUR_FOLDER, "<frozen importlib")) or os.sep + "importlib" + os.sep in name


def _without_middle(text: str) -> str:
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= TRACEBACK_LIMIT:
        return text
    mark = b"\n  ... the middle of this traceback is left out ...\n"
    head = TRACEBACK_LIMIT // 4
    tail = TRACEBACK_LIMIT - head - len(mark)
    return (data[:head] + mark + data[-tail:]).decode("utf-8", "ignore")


def _argparse_hint(error: BaseException) -> str:
    """Why argparse has ended the script, or nothing when it has not (statement 54 of the specification)."""
    if not isinstance(error, SystemExit):
        return ""
    frames = error.__traceback__
    while frames is not None:
        code = frames.tb_frame.f_code
        if code.co_name == "error" and os.path.basename(code.co_filename) == "argparse.py":
            message = frames.tb_frame.f_locals.get("message")
            return _ARGPARSE_HINT % (" (%s)" % message if message else "")
        frames = frames.tb_next
    return ""


def is_argparse_exit(error: BaseException) -> bool:
    """True when argparse ended the script because it did not know an argument."""
    return bool(_argparse_hint(error))


def _retry_code(error: BaseException) -> str:
    """What a ParallelRunException asks for, in lower case without separators; nothing for other exceptions.

    The class is known by its name: the user's environment may have azureml-core's, or the stand-in of ours.
    """
    if not any(kind.__name__ == "ParallelRunException" for kind in type(error).__mro__):
        return ""
    code: Any = getattr(error, "code", "")
    text = str(getattr(code, "name", code))
    return text.rsplit(".", 1)[-1].replace("_", "").lower()


def is_permanent(error: BaseException) -> bool:
    """True when the exception asks not to be retried (spec section 3.6)."""
    return _retry_code(error) in _PERMANENT_CODES


def directive_of(error: BaseException) -> Directive:
    """What becomes of this worker: "restart_process", "stop_process", {"sleep_s": seconds} or None (spec section 3.6)."""
    code = _retry_code(error)
    if code == "sleep":
        return {"sleep_s": _delay_of(error)}
    return _DIRECTIVES.get(code)


def _delay_of(error: BaseException) -> float:
    delay: Optional[Any] = getattr(error, "delay_seconds", 0)
    try:
        return max(0.0, float(delay or 0))
    except (TypeError, ValueError):
        return 0.0
