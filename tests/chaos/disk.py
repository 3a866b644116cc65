"""A small disk of its own for a folder, that can be filled. Only where this process may mount."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

_FILLER = ".filler"


class SmallDisk:
    """A tmpfs that is mounted at a folder."""

    def __init__(self, folder: Path, size_mb: int) -> None:
        """Mounts; OSError when that is not permitted."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        options = ["-t", "tmpfs", "-o", f"size={size_mb}m,mode=700", "prs-chaos", str(folder)]
        done = subprocess.run(["mount", *options], check=False, capture_output=True, text=True)
        if done.returncode:
            raise OSError(f"cannot mount at {folder}: {done.stderr.strip()}")

    def fill(self) -> None:
        """Leave not a byte free."""
        with (self.folder / _FILLER).open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(1 << 16))
        with (self.folder / _FILLER).open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(512))

    def free(self) -> None:
        """Give back what `fill` took."""
        (self.folder / _FILLER).unlink(missing_ok=True)

    def unmount(self, keep: bool) -> None:
        """`keep`: what lies on it is copied to the folder below, for whoever looks at a failing run."""
        self.free()
        beside = self.folder.with_name(self.folder.name + ".kept")
        if keep:
            subprocess.run(["cp", "-a", str(self.folder), str(beside)], check=False)
        subprocess.run(["umount", "--lazy", str(self.folder)], check=False)
        if keep and beside.exists():
            self.folder.rmdir()
            beside.rename(self.folder)


@cache
def can_mount() -> bool:
    """Whether small disks can be had here."""
    if os.geteuid() != 0:
        return False
    with TemporaryDirectory(prefix="prs-chaos-") as folder:
        try:
            SmallDisk(Path(folder, "disk"), 1).unmount(keep=False)
        except OSError:
            return False
    return True
