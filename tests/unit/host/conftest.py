"""Manifest parts for the tests, in the format of the manifest reader's module comment."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path


def write_part(path: Path, header: dict[str, object], records: Sequence[object] | None = None) -> Path:
    """A manifest part; `records` become its offset table and records."""
    whole: dict[str, object] = {"first": 0, "count": len(records or ()), "records": records is not None, **header}
    encoded = json.dumps(whole).encode()
    data = b"PRSMAN1\n" + struct.pack("<I", len(encoded)) + encoded
    if records is not None:
        texts = [json.dumps(record).encode() for record in records]
        offsets = [sum(map(len, texts[:number])) for number in range(len(texts) + 1)]
        data += struct.pack(f"<{len(offsets)}Q", *offsets) + b"".join(texts)
    path.write_bytes(data)
    return path
