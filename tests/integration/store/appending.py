"""A daemon's store in a process of its own, to be killed. Arguments: the data folder and, if wanted, a limit in bytes.

Eight callers append numbered facts at once and write a line to stdout for every append that has returned. With a limit on
the size of files the disk is as good as full: then every caller's error, and that of a later append, is printed as JSON.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import resource
import sys
from pathlib import Path

from prsd.core.facts import IndexesReserved
from prsd.store.errors import StoreFailed
from prsd.store.sqlite import SqliteStore
from tests.integration.store.samples import STEP, document, failure, job_recorded

CALLERS = 8


async def append_until_refused(store: SqliteStore) -> list[str]:
    """What each of the callers was told in the end."""
    await store.append([job_recorded()], recorded_at=1.0, documents=[document()])
    numbers = itertools.count()
    return await asyncio.gather(*(_append(store, numbers) for _ in range(CALLERS)))


async def _append(store: SqliteStore, numbers: itertools.count[int]) -> str:
    try:
        for number in numbers:
            await store.append([IndexesReserved(STEP, number), failure(number, "x" * 2000, False)], recorded_at=1.0)
            os.write(1, f"{number}\n".encode())
    except StoreFailed as error:
        return str(error)
    raise AssertionError("numbers do not end")


async def main() -> int:
    store = SqliteStore(Path(sys.argv[1]))
    store.open()
    if len(sys.argv) > 2:
        limit = int(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    errors = await append_until_refused(store)
    errors.append(await _append(store, itertools.count()))
    await store.close()
    print(json.dumps(errors), file=sys.stderr)
    return 3


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
