"""What `prsd` is told at its start. Parsed with argparse, because the daemon of a `prsctl run` must be up at once."""

from __future__ import annotations

import argparse
import ipaddress
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prsd.base.config_files import OPTION, ConfigFileError, arguments_in, file_in
from prsd.storage import DataFolder

_SHIFTS = {None: 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}


@dataclass(frozen=True, slots=True)
class DaemonConfig:
    data: Path
    listen: tuple[str, ...]  # "unix:/path" or "host:port"
    session_timeout_s: float
    heartbeat_s: float
    log_level: str
    computes: tuple[str, ...]  # declared beside those of the agents that join
    any_compute: bool  # agents take the steps of every compute: the daemon of a `prsctl run`
    ready_fd: int | None  # "ready <address>" is written here when the daemon serves
    exit_with_parent: bool
    disk_reserve_bytes: int = 64 << 20
    accept_older_log: bool = False  # begin a new lineage


def parse(argv: Sequence[str] | None = None) -> DaemonConfig:
    """The configuration of a command line; exits with 2 and a sentence when it cannot be one."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="prsd", description="The coordinator of parallel jobs.", allow_abbrev=False)
    parser.add_argument(OPTION, type=Path, metavar="FILE", help="YAML with any of these options; the command line wins")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds everything the daemon keeps")
    parser.add_argument(
        "--listen",
        action="append",
        default=[],
        metavar="HOST:PORT|unix:PATH",
        help="where to serve; may be repeated (default: the socket prsd.sock in the data folder)",
    )
    parser.add_argument(
        "--session-timeout", type=float, default=15.0, metavar="S", help="silence after which an agent is lost"
    )
    parser.add_argument("--heartbeat", type=float, default=2.0, metavar="S", help="how often agents report")
    parser.add_argument("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    parser.add_argument(
        "--compute", action="append", default=[], metavar="NAME", help="a compute that jobs may name; repeatable"
    )
    parser.add_argument("--any-compute", action="store_true", help="let every agent take the steps of every compute")
    parser.add_argument(
        "--disk-reserve",
        type=_size,
        default=64 << 20,
        metavar="SIZE",
        help="take no new work while the disk of the data folder has less room: bytes, or 64MiB, 2GiB (default: 64MiB)",
    )
    parser.add_argument(
        "--accept-older-log",
        action="store_true",
        help="give it once, when the data folder is an older copy than agents know: what the lost facts recorded runs again",
    )
    parser.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--exit-with-parent", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(_from_file(parser, words) + words)
    if not 0 < given.heartbeat * 2 <= given.session_timeout:
        parser.error("--session-timeout must be at least twice --heartbeat, and both above 0")
    listen = tuple(given.listen) or (f"unix:{DataFolder(given.data).socket}",)
    for address in listen:
        problem = _refused(address)
        if problem:
            parser.error(problem)
    return DaemonConfig(
        data=given.data,
        listen=listen,
        session_timeout_s=given.session_timeout,
        heartbeat_s=given.heartbeat,
        log_level=given.log_level,
        computes=tuple(given.compute),
        any_compute=given.any_compute,
        ready_fd=given.ready_fd,
        exit_with_parent=given.exit_with_parent,
        disk_reserve_bytes=given.disk_reserve,
        accept_older_log=given.accept_older_log,
    )


def _from_file(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    path = file_in(words)
    if path is None:
        return []
    from prsd.config_file import DaemonFile

    try:
        return arguments_in(path, DaemonFile)
    except ConfigFileError as error:
        parser.error(str(error))


def _size(text: str) -> int:
    """Bytes of 67108864, 64MiB, 2GiB."""
    match = re.fullmatch(r"(\d+)\s*(KiB|MiB|GiB|TiB)?", text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: give bytes, or a number with KiB, MiB, GiB or TiB")
    return int(match[1]) << _SHIFTS[match[2]]


def _refused(address: str) -> str:
    """Why the daemon does not listen there; empty when it does. Without identities only this machine may reach it."""
    if address.startswith("unix:"):
        # sun_path holds 108 bytes with its terminating zero.
        path = address.removeprefix("unix:")
        if not path or len(path.encode()) > 107:
            return f"--listen {address}: the path of a socket has 1 to 107 bytes"
        return ""
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdigit():
        return f"--listen {address}: give HOST:PORT or unix:PATH"
    if host == "localhost":
        return ""
    try:
        loopback = ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        return f"--listen {address}: nothing is authenticated, so only a loopback address or a unix socket can be served"
    return ""
