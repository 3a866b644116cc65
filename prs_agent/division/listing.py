"""Lists the files below a folder: depth first, each folder's entries in bytewise order of their names.

The order is that of comparing paths component by component, so it does not depend on the file system and needs no more
memory than the names of the folders on the way down. Links to files and to folders are followed; a link to a folder that is
being listed already (a loop) is not. Hidden files count; sockets, pipes and devices are skipped with a notice.
"""

# Paths here are plain strings: there may be millions of them, and pathlib would cost start-up time.
# ruff: noqa: PTH116, PTH118
from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator

from prs_agent.division.notices import Notices
from prs_agent.division.problems import InputError, of_os_error

_ODD_ENTRY = "skipped what is neither a file nor a folder"
_BROKEN_LINK = "skipped a link that leads nowhere"
_LOOP = "did not follow a link to a folder that contains it"


def list_files(root: str, notices: Notices, prefix: str = "", descend: Callable[[str], bool] | None = None) -> Iterator[str]:
    """Paths of the files below `root`, relative to it, each with `prefix` in front.

    `descend` decides by a folder's relative path (without `prefix`) whether it is listed. Raises InputError when a folder
    cannot be read.
    """
    open_folders = [root]
    levels = [("", *_scan(root, open_folders, notices))]
    while levels:
        relative, names, folders = levels[-1]
        head = prefix + relative
        for name in names:
            if name not in folders:
                yield head + name
                continue
            below = relative + name
            if descend is None or descend(below):
                path = os.path.join(root, below)
                open_folders.append(path)
                levels.append((below + "/", *_scan(path, open_folders, notices)))
                break
        else:
            levels.pop()
            open_folders.pop()


def _scan(path: str, open_folders: list[str], notices: Notices) -> tuple[Iterator[str], set[str]]:
    """Names in the folder in order, and those of them that are folders."""
    names: list[str] = []
    folders: set[str] = set()
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    names.append(entry.name)
                elif entry.is_dir(follow_symlinks=False) or _leads_to_folder(entry, open_folders, notices):
                    folders.add(entry.name)
                    names.append(entry.name)
                elif entry.is_symlink() and entry.is_file():
                    names.append(entry.name)
                elif not entry.is_symlink():
                    notices.add(_ODD_ENTRY, entry.path)
    except FileNotFoundError:
        if len(open_folders) == 1:
            raise InputError(f"the folder {path} does not exist") from None
        raise InputError(f"the folder {path} vanished while it was listed", permanent=False) from None
    except OSError as error:
        raise of_os_error(error, path, "folder") from error
    names.sort(key=os.fsencode)
    return iter(names), folders


def _leads_to_folder(entry: os.DirEntry[str], open_folders: list[str], notices: Notices) -> bool:
    """Whether the entry is a link to a folder that is not being listed already."""
    if not entry.is_symlink():
        return False
    try:
        target = entry.stat()
    except OSError:
        notices.add(_BROKEN_LINK, entry.path)
        return False
    if stat.S_ISREG(target.st_mode):
        return False
    if not stat.S_ISDIR(target.st_mode):
        notices.add(_ODD_ENTRY, entry.path)
        return False
    if any(os.path.samestat(target, os.stat(folder)) for folder in open_folders):
        notices.add(_LOOP, entry.path)
        return False
    return True
