"""An environment of its own for each peer, made once under the cache folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_TABLES = ("pandas", "pyarrow")


@dataclass(frozen=True, slots=True)
class Peer:
    """`adapter`: the module of `contenders`; `quick`: takes part in the quick mode."""

    name: str
    adapter: str
    packages: tuple[str, ...] = ()
    program: str = ""  # a program that must be there, beside Python
    quick: bool = False


PEERS = (
    Peer("bare", "bare", _TABLES, quick=True),
    Peer("pool", "pool", _TABLES, quick=True),
    Peer("futures", "futures", _TABLES),
    Peer("joblib", "joblibs", ("joblib", *_TABLES)),
    Peer("ray", "rays", ("ray", *_TABLES), quick=True),
    Peer("dask", "dasks", ("distributed", *_TABLES)),
    Peer("spark", "sparks", ("pyspark", *_TABLES), program="java"),
)


class UnavailableError(Exception):
    """Why a peer does not take part."""


def python_of(peer: Peer, cache: Path) -> Path:
    """The interpreter of the peer's environment, installed when it is not yet; UnavailableError when that fails.

    Peers with the same packages share one.
    """
    if peer.program and not shutil.which(peer.program):
        raise UnavailableError(f"{peer.name} needs {peer.program}, which this machine lacks")
    folder = cache / "-".join(peer.packages)
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python
    print(f"installing {', '.join(peer.packages)} for {peer.name}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    commands = (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--compile", *peer.packages],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UnavailableError(f"{peer.name} could not be installed: {(done.stderr or done.stdout).strip()[-300:]}")
    (folder / "complete").touch()
    return python


def version_of(peer: Peer, python: Path) -> str:
    """Of the peer's first package; Python's where it is part of that."""
    package = peer.packages[0] if peer.packages != _TABLES else ""
    code = (
        f"import importlib.metadata as m; print(m.version({package!r}))"
        if package
        else "import platform as p; print(p.python_version())"
    )
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
