"""Both daemons write system lines."""

import logging
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from prsd.base.logs import set_up_logging, system_formatter

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\|(\w+)\|(\d+)\|(\d+)\|(.*)")


def test_a_line_has_time_level_process_thread_and_message() -> None:
    record = logging.LogRecord("x", logging.WARNING, __file__, 1, "disk %s is full", ("sda",), None)
    record.created, record.msecs = 1602207531.269, 269
    line = system_formatter().format(record)
    assert line == f"2020-10-09 01:38:51,269|WARNING|{os.getpid()}|{threading.get_ident()}|disk sda is full"


def test_a_program_writes_to_stderr_and_file(tmp_path: Path) -> None:
    program = """
import logging, pathlib, sys
from prsd.base.logs import set_up_logging
set_up_logging("debug")
set_up_logging("info", pathlib.Path(sys.argv[1]))
logging.debug("hidden")
logging.getLogger("prsd.x").info("seen")
"""
    file = tmp_path / "logs" / "prsd.log"
    ended = subprocess.run([sys.executable, "-c", program, file], capture_output=True, text=True, check=True)
    assert ended.stderr == file.read_text()
    assert ended.stdout == ""
    match = LINE.fullmatch(ended.stderr.rstrip("\n"))
    assert match is not None
    assert (match[1], match[4]) == ("INFO", "seen")


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="'loud' is no logging level"):
        set_up_logging("loud")
