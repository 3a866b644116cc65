"""What `prsd` is told about its disk."""

from __future__ import annotations

import pytest

from prsd.config import parse


@pytest.mark.parametrize(
    ("text", "size_bytes"), [("0", 0), ("5000", 5000), ("3KiB", 3072), ("64MiB", 64 << 20), ("2 GiB", 2 << 30)]
)
def test_sizes(text: str, size_bytes: int) -> None:
    assert parse(["--data", "d", "--disk-reserve", text]).disk_reserve_bytes == size_bytes


def test_the_reserve_is_64_mib_by_default() -> None:
    assert parse(["--data", "d"]).disk_reserve_bytes == 64 << 20


@pytest.mark.parametrize("text", ["", "-1", "64MB", "lots"])
def test_what_is_no_size_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--data", "d", f"--disk-reserve={text}"])
    assert "is no size" in capsys.readouterr().err
