"""Where the daemon is: the flag, else the environment, else the socket in the user's own data folder."""

import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path

SERVER_VARIABLE = "PRS_SERVER"
SOCKET_NAME = "prsd.sock"


def data_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's own data folder: XDG_DATA_HOME/prs, or ~/.local/share/prs."""
    base = environ.get("XDG_DATA_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "share") / "prs"


def chosen_server(flag: str | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """The address that somebody named, as gRPC spells it; None when nobody did."""
    named = flag or environ.get(SERVER_VARIABLE) or None
    return unix_address(Path(named)) if named is not None and named.startswith("/") else named


def local_server(environ: Mapping[str, str] = os.environ) -> str | None:
    """The daemon of this user on this machine, when one is listening."""
    path = data_folder(environ) / SOCKET_NAME
    return unix_address(path) if somebody_listens(path) else None


def unix_address(path: Path) -> str:
    """The gRPC address of a unix socket."""
    return f"unix:{path}"


def somebody_listens(path: Path) -> bool:
    """Whether a process accepts connections on a unix socket."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return False
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
    except OSError:
        return False
    return True
