"""From an index to what `run()` receives: the sources of mini-batches, one for each kind of manifest part."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from .failures import LoadError
from .frames import Run, Start
from .manifest import ManifestPart
from .steps import constant


class Loaded(NamedTuple):
    """A mini-batch and its number of items. `paths` are the files that it comes from, `key` its values of partition_keys."""

    mini_batch: Any
    items: int
    paths: List[str]
    key: Optional[Dict[str, Any]] = None


class MiniBatchFiles(List[str]):
    """The mini-batch of a file list: paths, and the mini-batch's id as `task_id` (spec section 3.2)."""

    task_id: str = ""


class FileSource:
    """Mini-batches that are lists of files."""

    def __init__(self, part: ManifestPart, root: str) -> None:
        self._part = part
        self._root = root
        self._key_dtypes: Dict[str, str] = (part.header.get("plan") or {}).get("key_dtypes") or {}
        self._has_keys = bool(self._key_dtypes)

    def load(self, index: int) -> Loaded:
        """The paths of mini-batch `index`; whether the files exist is for their reader to see."""
        root = self._root
        record = self._part.record(index)
        names, key = (record["paths"], record["key"]) if self._has_keys else (record, None)
        files = MiniBatchFiles(os.path.join(root, path) for path in names)
        files.task_id = str(index)
        if key is not None:
            key = {name: constant(value, self._key_dtypes[name]) for name, value in key.items()}
        return Loaded(files, len(files), files, key)

    def first_row(self, index: int) -> Optional[int]:
        """Files have no row numbers."""
        return None


class TableSource:
    """Mini-batches that are DataFrames."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self.first_row: Callable[[int], Optional[int]] = table.first_row

    def load(self, index: int) -> Optional[Loaded]:
        """The rows of mini-batch `index`; None when it has none."""
        frame = self._table.load(index)
        if frame is None:
            return None
        return Loaded(frame, len(frame), self._table.paths_of(index), self._table.key_of(index))


class Loader:
    """Finds the source of a Run frame's mini-batches, and keeps the last few manifest parts open."""

    _KEPT_PARTS = 4

    def __init__(self, start: Start, notice: Callable[[str], None]) -> None:
        self._start = start
        self._notice = notice
        self._sources: Dict[str, Any] = {}

    @property
    def has_input(self) -> bool:
        """False for rank mini-batches: there is nothing to load."""
        return self._start.input_kind in ("files", "tabular")

    def source_of(self, run: Run) -> Any:
        """A FileSource or TableSource; LoadError when the part cannot be read."""
        source = self._sources.get(run.part)
        if source is None:
            while len(self._sources) >= self._KEPT_PARTS:
                self._sources.pop(next(iter(self._sources)))
            source = self._sources[run.part] = self._open(run.part)
        return source

    def _open(self, name: str) -> Any:
        start = self._start
        part = ManifestPart(os.path.join(start.manifest_dir, name))
        root = start.input_root or str(part.header.get("root", ""))
        if part.kind == "files":
            return FileSource(part, root)
        if part.kind == "table":
            # Imported here: a worker over a list of files does not need what reads tables.
            from .table_part import TablePart

            return TableSource(TablePart(part, root, start.strict_types, self._notice))
        raise LoadError("%s is of kind %r, which this host does not know" % (part.path, part.kind), permanent=True)
