"""The agent fetches and unpacks a snapshot once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from prs_agent.snapshot import SnapshotCache
from prsd.base.snapshots import Snapshot, SnapshotError, pack


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Source:
    """Gives a tar out in pieces, once `is_open`, and counts."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.content = snapshot.path.read_bytes()
        self.asked: list[str] = []
        self.is_open = asyncio.Event()

    async def fetch(self, digest: str) -> AsyncIterator[bytes]:
        self.asked.append(digest)
        await self.is_open.wait()
        for start in range(0, len(self.content), 1000):
            yield self.content[start : start + 1000]


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    code = tmp_path / "code"
    code.mkdir()
    (code / "score.py").write_text("print(1)\n")
    return pack(code, tmp_path)


@pytest.fixture
def source(snapshot: Snapshot) -> Source:
    return Source(snapshot)


@pytest.fixture
def cache(tmp_path: Path, source: Source) -> SnapshotCache:
    return SnapshotCache(tmp_path / "agent" / "snapshots", source.fetch)


async def test_many_who_ask_at_once_cause_one_fetch(
    cache: SnapshotCache, source: Source, snapshot: Snapshot, tmp_path: Path
) -> None:
    source.is_open.set()
    folders = await asyncio.gather(*(cache.folder_of(snapshot.digest) for _ in range(10)))
    assert set(folders) == {tmp_path / "agent" / "snapshots" / snapshot.digest}
    assert (folders[0] / "score.py").read_text() == "print(1)\n"
    assert source.asked == [snapshot.digest]
    assert _names(folders[0].parent) == [snapshot.digest]


async def test_what_an_earlier_agent_unpacked_is_used(source: Source, snapshot: Snapshot, tmp_path: Path) -> None:
    source.is_open.set()
    for _ in range(2):
        await SnapshotCache(tmp_path / "cache", source.fetch).folder_of(snapshot.digest)
    assert len(source.asked) == 1


async def test_the_next_one_goes_on_when_the_first_is_cancelled(
    cache: SnapshotCache, source: Source, snapshot: Snapshot, tmp_path: Path
) -> None:
    first = asyncio.create_task(cache.folder_of(snapshot.digest))
    while not source.asked:  # noqa: ASYNC110
        await asyncio.sleep(0)
    second = asyncio.create_task(cache.folder_of(snapshot.digest))
    first.cancel()
    source.is_open.set()
    assert (await second / "score.py").exists()
    assert _names(tmp_path / "agent" / "snapshots") == [snapshot.digest]


async def test_damaged_bytes_are_refused_and_fetched_anew(
    cache: SnapshotCache, source: Source, snapshot: Snapshot, tmp_path: Path
) -> None:
    source.is_open.set()
    whole, source.content = source.content, source.content[:-1]
    with pytest.raises(SnapshotError, match="damaged"):
        await cache.folder_of(snapshot.digest)
    assert _names(tmp_path / "agent" / "snapshots") == []
    source.content = whole
    assert (await cache.folder_of(snapshot.digest) / "score.py").exists()


@pytest.mark.parametrize("digest", ["", "../../etc", "A" * 64, "0" * 63])
async def test_only_digests_name_snapshots(cache: SnapshotCache, source: Source, digest: str) -> None:
    with pytest.raises(SnapshotError, match="is no digest"):
        await cache.folder_of(digest)
    assert source.asked == []
