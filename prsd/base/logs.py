"""Logging of the two daemons: system lines in the format of spec section 6.

    2020-10-09 01:38:51,269|INFO|356|140501711763200|message

that is time (UTC), level, process id, thread id, message. A traceback follows its line.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

_FORMAT = "%(asctime)s|%(levelname)s|%(process)d|%(thread)d|%(message)s"


def system_formatter() -> logging.Formatter:
    """Formats records as system lines; also for the logs of a step that have the same format."""
    formatter = logging.Formatter(_FORMAT)
    # Lines of several machines are read side by side.
    formatter.converter = time.gmtime
    return formatter


def set_up_logging(level: str = "INFO", file: Path | None = None) -> None:
    """Send this process's log to stderr and, when named, to the end of a file (its folder is made). Called again, it
    replaces what it set up before. ValueError when there is no such level; it may be in any case."""
    levels = logging.getLevelNamesMapping()
    if level.upper() not in levels:
        raise ValueError(f"{level!r} is no logging level; use DEBUG, INFO, WARNING, ERROR or CRITICAL")
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(file, encoding="utf-8", errors="backslashreplace"))
    for handler in handlers:
        handler.setFormatter(system_formatter())
    logging.basicConfig(level=levels[level.upper()], handlers=handlers, force=True)
