from datetime import UTC, datetime

import pytest

from prsctl.wording import ago, counted, duration, elapsed_s, ranges, rate, short, size


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0s"), (0, "0s"), (59.4, "59s"), (60, "1m 00s"), (3599, "59m 59s"), (3600, "1h 00m"), (90_000, "1d 1h")],
)
def test_duration(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0"), (9999, "9999"), (12_345, "12k"), (1.2e6, "1.2M"), (34e6, "34M"), (2e9, "2.0G")]
)
def test_short(number: float, words: str) -> None:
    assert short(number) == words


@pytest.mark.parametrize(("per_second", "words"), [(0.02, "1.2/min"), (1.5, "1.5/s"), (250, "250/s"), (1_500_000, "1.5M/s")])
def test_rate(per_second: float, words: str) -> None:
    assert rate(per_second) == words


@pytest.mark.parametrize(("bytes_", "words"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 40, "3.0 TiB")])
def test_size(bytes_: int, words: str) -> None:
    assert size(bytes_) == words


def test_counted() -> None:
    assert [counted(n, "mini-batch") for n in (0, 1, 1234)] == ["0 mini-batches", "1 mini-batch", "1,234 mini-batches"]
    assert counted(2, "step") == "2 steps"


@pytest.mark.parametrize(
    ("indexes", "is_cut", "words"),
    [
        ([], False, ""),
        ([3], False, "3"),
        ([1, 2, 3, 7], False, "1-3, 7"),
        ([7, 1, 2], False, "1-2, 7"),
        ([0, 1], True, "0-1, …"),
    ],
)
def test_ranges(indexes: list[int], is_cut: bool, words: str) -> None:
    assert ranges(indexes, is_cut=is_cut) == words


def test_times_are_relative() -> None:
    now = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
    assert ago("2026-01-01T12:00:00Z", now) == "30s ago"
    assert ago(None, now) == ""
    assert elapsed_s("2026-01-01T12:00:00Z", "2026-01-01T12:01:00.500Z") == 60.5
    assert elapsed_s("2026-01-01T12:00:00Z", None, now) == 30
    assert elapsed_s(None, None) is None
