"""The agent's settings: command line first, then the configuration file, then `PRS_AGENT_…` variables, then defaults.

Parsed with argparse: agents of a `prsctl run` start beside the daemon, and must be up in a fraction of a second.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prsd.base.config_files import OPTION, ConfigFileError, arguments_in, file_in

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Everything that may be set."""

    server: str  # "host:port" or "unix:/path"
    compute: str
    data: Path  # absolute
    slots: int
    name: str
    exit_with_parent: bool = False
    drain_timeout_s: float = 30.0
    logging_level: str = "INFO"


def parse(argv: Sequence[str] | None = None) -> AgentSettings:
    """The settings of a command line; exits with 2 and a sentence when they cannot be used."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="prs-agent",
        description="Run mini-batches for a daemon.",
        epilog="Every option may also be given as PRS_AGENT_<NAME>, for example PRS_AGENT_SLOTS=4.",
        allow_abbrev=False,
    )
    parser.add_argument(OPTION, type=Path, metavar="FILE", help="YAML with any of these options; the command line wins")
    _add(parser, "--server", type=_address, help="the daemon: HOST:PORT or unix:/path/of/socket")
    _add(parser, "--compute", help="name of the compute that this agent belongs to")
    _add(parser, "--data", type=Path, help="folder for snapshots, downloads and scratch")
    _add(parser, "--slots", type=_slots, default=len(os.sched_getaffinity(0)), help="workers at a time (default: the CPUs)")
    _add(parser, "--name", type=_name, default=socket.gethostname(), help="unique name of this agent (default: the host's)")
    _add(parser, "--drain-timeout-s", type=_seconds, default=30.0, help="what runs may take to end after SIGTERM")
    _add(parser, "--logging-level", choices=_LEVELS, default="INFO")
    parser.add_argument("--exit-with-parent", action="store_true", help="drain when the parent process ends")
    given = vars(parser.parse_args(_from_file(parser, words) + words))
    del given[OPTION.strip("-")]
    return AgentSettings(**{**given, "data": given["data"].absolute()})


def _from_file(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    path = file_in(words)
    if path is None:
        return []
    from prs_agent.config_file import AgentFile

    try:
        return arguments_in(path, AgentFile)
    except ConfigFileError as error:
        parser.error(str(error))


def _add(parser: argparse.ArgumentParser, option: str, **how: object) -> None:
    """An option whose default is its variable's value, if that is set: argparse checks a text default like an argument."""
    variable = "PRS_AGENT_" + option.lstrip("-").replace("-", "_").upper()
    default = os.environ.get(variable, how.pop("default", None))
    parser.add_argument(option, default=default, required=default is None, **how)  # type: ignore[arg-type]


def _address(text: str) -> str:
    if text.startswith("unix:"):
        if text == "unix:":
            raise argparse.ArgumentTypeError("unix: needs the path of a socket, as in unix:/run/prs/prsd.sock")
        return text
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no address: write HOST:PORT or unix:/path/of/socket")
    return text


def _slots(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of workers: give 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def _name(text: str) -> str:
    # Part of file names.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", text):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be part of file names: use letters, digits, '.', '_' and '-'")
    return text
