"""Flag, then environment, then the socket in the user's data folder."""

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from prsctl.address import chosen_server, data_folder, local_server


@pytest.fixture
def home() -> Iterator[Path]:
    """A data home whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="prs-test-", dir="/tmp") as folder:
        yield Path(folder)


def test_the_flag_wins_over_the_environment() -> None:
    assert chosen_server("host:1", {"PRS_SERVER": "host:2"}) == "host:1"


def test_the_environment_is_next() -> None:
    assert chosen_server(None, {"PRS_SERVER": "host:2"}) == "host:2"


@pytest.mark.parametrize("environ", [{}, {"PRS_SERVER": ""}])
def test_nobody_named_a_daemon(environ: dict[str, str]) -> None:
    assert chosen_server(None, environ) is None


def test_a_plain_path_is_a_unix_socket() -> None:
    assert chosen_server("/run/prsd.sock", {}) == "unix:/run/prsd.sock"


def test_data_folder_follows_xdg(tmp_path: Path) -> None:
    assert data_folder({"XDG_DATA_HOME": str(tmp_path)}) == tmp_path / "prs"


@pytest.mark.parametrize("environ", [{}, {"XDG_DATA_HOME": ""}, {"XDG_DATA_HOME": "relative"}])
def test_data_folder_without_xdg_is_in_the_home(environ: dict[str, str]) -> None:
    assert data_folder(environ) == Path.home() / ".local" / "share" / "prs"


def test_a_listening_local_socket_is_found(home: Path) -> None:
    (home / "prs").mkdir()
    path = home / "prs" / "prsd.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        assert local_server({"XDG_DATA_HOME": str(home)}) == f"unix:{path}"


def test_the_socket_of_a_dead_daemon_is_no_daemon(home: Path) -> None:
    (home / "prs").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "prs" / "prsd.sock"))
    assert local_server({"XDG_DATA_HOME": str(home)}) is None


def test_a_plain_file_is_no_daemon(home: Path) -> None:
    (home / "prs").mkdir()
    (home / "prs" / "prsd.sock").write_text("")
    assert local_server({"XDG_DATA_HOME": str(home)}) is None
