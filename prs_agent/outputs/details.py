"""What a mini-batch consists of, in the words of a report: names from the manifest, relative to the input folder."""

from __future__ import annotations

import json
from bisect import bisect_right
from pathlib import Path
from typing import Any

from prs_agent.host.manifest import ManifestPart

_encode = json.JSONEncoder().encode


class MiniBatchDetails:
    """Looks mini-batches up in the manifest; the last part that was needed stays open."""

    def __init__(self, folder: Path, parts: list[str] | None = None) -> None:
        """`parts`: names of the recorded parts; None takes every part in the folder."""
        names = parts if parts is not None else [path.name for path in folder.glob("part-*.prsm")]
        by_first = {_first_of(name): folder / name for name in sorted(names, reverse=True)}
        self._firsts = sorted(by_first)
        self._paths = [by_first[first] for first in self._firsts]
        self._number = -1
        self._part: ManifestPart | None = None

    def quoted(self, index: int) -> str:
        """The detail of a mini-batch: JSON, as a CSV field. LoadError when its manifest part cannot be read."""
        if not self._firsts:  # ranks: millions of them, and nothing to encode
            return f'"{{""id"": {index}, ""minibatch"": []}}"'
        return '"' + _encode(self.detail(index)).replace('"', '""') + '"'

    def detail(self, index: int) -> dict[str, Any]:
        """`id`, `minibatch` (file names, or the number of the part of a file), for tables where it lies, and its `key`."""
        number = bisect_right(self._firsts, index) - 1
        if number < 0:
            return {"id": index, "minibatch": []}
        if number != self._number or self._part is None:
            self._part, self._number = ManifestPart(str(self._paths[number])), number
            self._table_firsts = [int(file.get("first", 0)) for file in self._part.header.get("files", ())]
        if self._part.kind == "files":
            record = self._part.record(index)
            of_key = {"minibatch": record["paths"], "key": record["key"]} if isinstance(record, dict) else None
            return {"id": index, **(of_key or {"minibatch": record})}
        return {"id": index, **self._of_table(self._part, index)}

    def _of_table(self, part: ManifestPart, index: int) -> dict[str, Any]:
        files = part.header["files"]
        if part.has_records:
            record = part.record(index)
            number, start, end = record["pieces"][0]
            place = {"minibatch": [index - part.first], "location": files[number]["path"], "start": start, "end": end}
            more = {"pieces": len(record["pieces"])} if len(record["pieces"]) > 1 else {}
            return place | more | ({"key": record["key"]} if "key" in record else {})
        file = files[bisect_right(self._table_firsts, index) - 1]
        return {"minibatch": [index - file["first"]], "location": file["path"], "partition_size": part.header["size"]}


def _first_of(name: str) -> int:
    """The first index that a part's file name says."""
    return int(name.split("-")[1])
