"""Turns an input into a stream of files: a folder, one file, or the `paths` of an MLTable."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prs_agent.division.job import Input
from prs_agent.division.listing import list_files
from prs_agent.division.notices import Notices
from prs_agent.division.problems import InputError, of_os_error

# Paths here are plain strings, as everywhere in this package.
# ruff: noqa: PTH112, PTH113, PTH116, PTH118, PTH119, PTH120

if TYPE_CHECKING:
    from prsd.base.mltable.model import MLTable, PathEntry

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def list_input(source: Input, notices: Notices) -> tuple[str, Iterator[str]]:
    """The root of a `uri_file` or `uri_folder` input and its files relative to it.

    The root of a single file is the folder that holds it. Raises InputError when the input is not there or not what its type
    says.
    """
    try:
        os.stat(source.path)
    except OSError as error:
        raise of_os_error(error, source.path, "input") from error
    is_folder = os.path.isdir(source.path)
    if source.type == "uri_file":
        if is_folder:
            raise InputError(f"the input is declared uri_file, but {source.path} is a folder")
        return os.path.dirname(source.path), iter([os.path.basename(source.path)])
    if not is_folder:
        raise InputError(f"the input is declared {source.type}, but {source.path} is a file")
    return source.path, list_files(source.path, notices)


def list_table(table: MLTable, notices: Notices) -> Iterator[str]:
    """The files of an MLTable, entry by entry: relative to its folder, absolute where the entry is. Duplicates are kept.

    The MLTable file itself is never data (spec section 10, number 15), unless an entry names it.
    """
    for position, entry in enumerate(table.paths):
        count = 0
        for path in _entry_files(table.folder, entry, f"paths[{position}]", notices):
            count += 1
            yield path
        if count == 0:
            notices.add("an entry of the MLTable has no files", f"paths[{position}], {entry.kind}: {entry.value}")


def _entry_files(folder: str, entry: PathEntry, where: str, notices: Notices) -> Iterator[str]:
    value = _local(entry.value, where)
    if entry.kind == "pattern":
        from prs_agent.division.patterns import match_files

        return _without_mltable(match_files(folder, value, notices))
    path = os.path.normpath(value)
    absolute = os.path.join(folder, path)
    if entry.kind == "folder" or os.path.isdir(absolute):
        prefix = "" if path == "." else os.path.join(path, "")
        return _without_mltable(list_files(absolute, notices, prefix))
    if not os.path.isfile(absolute):
        raise InputError(f"{where} of {os.path.join(folder, 'MLTable')} names the file {entry.value}, which does not exist")
    return iter([path])


def _without_mltable(paths: Iterator[str]) -> Iterator[str]:
    return (path for path in paths if path != "MLTable")


def _local(value: str, where: str) -> str:
    """The local path that an entry means; InputError for what lies elsewhere."""
    if value.startswith("file:"):
        from prsd.base.uris import UnsupportedUri, path_of

        try:
            return str(path_of(value))
        except UnsupportedUri as error:
            raise InputError(f"{where}: {error}") from None
    if _URI.match(value):
        raise InputError(f"{where}: {value} is not a local path; other places are not supported yet by this version")
    return value
