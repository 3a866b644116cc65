"""Snapshots depend on the code alone, come back as they were, and never write outside their folder."""

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from prsd.base.snapshots import Snapshot, SnapshotError, is_digest, pack, unpack


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    (folder / "pkg" / "sub").mkdir(parents=True)
    (folder / "score.py").write_text("print(1)\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o700)
    (folder / "pkg" / "ünï code.py").write_text("x = 1\n")
    (folder / "pkg" / "empty").touch()
    (folder / os.fsdecode(b"not-utf8-\xff")).write_bytes(b"\0" * 600)
    (folder / ("long" * 50)).write_text("long name")
    (folder / "pkg" / "sub" / "link").symlink_to("../../score.py")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    store = tmp_path / "store"
    store.mkdir()
    return store


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _content(folder: Path) -> dict[str, tuple[bytes | str, int]]:
    return {
        path.relative_to(folder).as_posix(): (str(path.readlink()), 0)
        if path.is_symlink()
        else (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_a_folder_comes_back(code: Path, store: Path, tmp_path: Path) -> None:
    snapshot = pack(code, store)
    assert is_digest(snapshot.digest)
    assert snapshot.path == store / f"{snapshot.digest}.tar"
    assert hashlib.sha256(snapshot.path.read_bytes()).hexdigest() == snapshot.digest
    unpack(snapshot.path, snapshot.digest, tmp_path / "agent" / snapshot.digest)
    (code / "run.sh").chmod(0o755)
    assert _content(tmp_path / "agent" / snapshot.digest) == _content(code)
    assert _names(tmp_path / "agent") == [snapshot.digest]
    assert _names(store) == [snapshot.path.name]


def test_the_digest_depends_on_nothing_but_the_code(code: Path, store: Path, tmp_path: Path) -> None:
    first = pack(code, store)
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    for path in sorted(code.rglob("*"), reverse=True):
        target = copy / path.relative_to(code)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            target.symlink_to(path.readlink())
        elif path.is_file():
            target.write_bytes(path.read_bytes())
            target.chmod(0o775 if path.stat().st_mode & stat.S_IXUSR else 0o600)
            os.utime(target, (1, 1))
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "score.pyc").touch()
    (copy / "nothing").mkdir()
    assert pack(copy, store) == first
    (copy / "score.py").write_text("print(2)\n")
    assert pack(copy, store).digest != first.digest


def test_ignored_files_stay_out(code: Path, store: Path) -> None:
    (code / ".amlignore").write_text("pkg/\nlong*\n")
    with tarfile.open(pack(code, store).path) as tar:
        names = {os.fsencode(name) for name in tar.getnames()}
        owners = {(member.mtime, member.uid, member.gid, member.uname, member.gname) for member in tar.getmembers()}
    assert names == {b".amlignore", b"score.py", b"run.sh", b"not-utf8-\xff"}
    assert owners == {(0, 0, 0, "", "")}


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "../../x", ".", "sub/../../../x", "..", "sub/.."])
def test_a_link_that_may_leave_is_refused(code: Path, store: Path, target: str) -> None:
    (code / "escape").symlink_to(target)
    if target == ".":
        pack(code, store)  # the folder itself is inside
        return
    with pytest.raises(SnapshotError, match="escape is a symbolic link"):
        pack(code, store)


def test_a_pipe_is_refused(code: Path, store: Path) -> None:
    os.mkfifo(code / "pipe")
    with pytest.raises(SnapshotError, match="pipe is neither a file"):
        pack(code, store)
    assert _names(store) == []


def test_too_large_a_folder_names_its_largest_files(code: Path, store: Path) -> None:
    with (code / "weights.bin").open("wb") as file:
        file.truncate(3 << 20)
    with pytest.raises(
        SnapshotError, match=r"3\.0 MiB, more than 2\.0 MiB; the largest files are weights\.bin \(3\.0 MiB\)"
    ):
        pack(code, store, limit_bytes=2 << 20)
    with pytest.raises(SnapshotError, match="more than 3; name"):
        pack(code, store, limit_files=3)


def test_a_folder_that_is_missing_is_named(tmp_path: Path, store: Path) -> None:
    with pytest.raises(SnapshotError, match="nowhere cannot be packed: No such file"):
        pack(tmp_path / "nowhere", store)


# Attacks

Member = tuple[tarfile.TarInfo, bytes]


def _file(name: str, content: bytes = b"x") -> Member:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return member, content


def _special(name: str, kind: bytes, target: str = "") -> Member:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def _store(path: Path, members: list[Member]) -> Snapshot:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for member, content in members:
            tar.addfile(member, io.BytesIO(content))
    return Snapshot(hashlib.sha256(path.read_bytes()).hexdigest(), path)


SYM, HARD = tarfile.SYMTYPE, tarfile.LNKTYPE
ATTACKS: dict[str, list[Member]] = {
    "parent": [_file("../x")],
    "inner parent": [_file("a/../../x")],
    "harmless parent": [_file("a/../x")],
    "absolute": [_file("/tmp/x")],
    "double slash": [_file("a//x")],
    "dot": [_file("./x")],
    "empty name": [_file("")],
    "absolute link": [_special("l", SYM, "/etc")],
    "leaving link": [_special("a/l", SYM, "../../etc")],
    "link by detour": [_special("d", SYM, "."), _special("e", SYM, "d/../x")],
    "empty link": [_special("l", SYM)],
    "through a link": [_special("l", SYM, "a"), _file("l/x")],
    "deep through a link": [_special("l", SYM, "a"), _file("l/b/c/x")],
    "over a link": [_special("l", SYM, "a"), _file("l")],
    "folder over a link": [_special("l", SYM, "a"), _special("l", tarfile.DIRTYPE)],
    "through a file": [_file("f"), _file("f/x")],
    "file over a folder": [_file("f/x"), _file("f")],
    "hard link": [_file("a"), _special("b", HARD, "a")],
    "hard link to the machine": [_special("b", HARD, "/etc/passwd")],
    "character device": [_special("null", tarfile.CHRTYPE)],
    "block device": [_special("disk", tarfile.BLKTYPE)],
    "pipe": [_special("pipe", tarfile.FIFOTYPE)],
    "continuous": [_special("cont", tarfile.CONTTYPE)],
    "twice": [_file("a"), _file("a")],
    "folder twice": [_special("d", tarfile.DIRTYPE), _special("d", tarfile.DIRTYPE)],
    "many": [_file(f"n{number}") for number in range(11)],
    "large": [_file("a", b"x" * 600), _file("b", b"x" * 600)],
    "overlong name": [_file("n" * 300)],
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_and_leaves_nothing(tmp_path: Path, attack: str) -> None:
    snapshot = _store(tmp_path / "evil.tar", ATTACKS[attack])
    with pytest.raises(SnapshotError):
        unpack(snapshot.path, snapshot.digest, tmp_path / "in" / "s", limit_bytes=1000, limit_files=10)
    assert _names(tmp_path / "in") == []
    assert _names(tmp_path) == ["evil.tar", "in"]


def _cut(data: bytes) -> bytes:
    return data[:700]


def _negative_size(data: bytes) -> bytes:
    header = bytearray(data[:512])
    header[124:136] = b"\xff" * 10 + b"\xfe\x00"
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data[512:]


@pytest.mark.parametrize("damage", [_cut, _negative_size, lambda data: b"no tar at all" * 100, lambda data: b""])
def test_a_malformed_tar_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    whole = _store(tmp_path / "evil.tar", [_file("a", b"x" * 600)]).path
    data = damage(whole.read_bytes())
    whole.write_bytes(data)
    with pytest.raises(SnapshotError):
        unpack(whole, hashlib.sha256(data).hexdigest(), tmp_path / "in" / "s")
    assert _names(tmp_path / "in") == []


def test_other_bytes_than_the_digest_says_are_refused(code: Path, store: Path, tmp_path: Path) -> None:
    snapshot = pack(code, store)
    with pytest.raises(SnapshotError, match="damaged"):
        unpack(snapshot.path, "0" * 64, tmp_path / "in" / "s")


def test_folders_in_the_tar_are_accepted(tmp_path: Path) -> None:
    snapshot = _store(tmp_path / "s.tar", [_file("d/a"), _special("d/", tarfile.DIRTYPE), _special("e", tarfile.DIRTYPE)])
    unpack(snapshot.path, snapshot.digest, tmp_path / "in" / "s")
    assert sorted(path.name for path in (tmp_path / "in" / "s").rglob("*")) == ["a", "d", "e"]


def test_many_unpack_the_same_at_once(code: Path, store: Path, tmp_path: Path) -> None:
    snapshot = pack(code, store)
    folder = tmp_path / "agent" / snapshot.digest
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda _: unpack(snapshot.path, snapshot.digest, folder), range(16)):
            pass
    assert _names(folder.parent) == [snapshot.digest]
    assert (folder / "score.py").read_text() == "print(1)\n"
