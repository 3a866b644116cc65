"""Numbers, times and lists as people read them."""

from collections.abc import Sequence
from datetime import UTC, datetime


def duration(seconds: float) -> str:
    """12 s, 3m 05s, 2h 10m, 4d 3h."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m {rest:02}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02}m" if hours < 24 else f"{hours // 24}d {hours % 24}h"


def ago(time: str | None, now: datetime | None = None) -> str:
    """How long ago an RFC 3339 time was; "" when there is none."""
    if time is None:
        return ""
    elapsed = (now or datetime.now(UTC)) - datetime.fromisoformat(time)
    return f"{duration(elapsed.total_seconds())} ago"


def elapsed_s(start: str | None, end: str | None, now: datetime | None = None) -> float | None:
    """Seconds from one RFC 3339 time to another, or to now; None before the start."""
    if start is None:
        return None
    until = datetime.fromisoformat(end) if end else now or datetime.now(UTC)
    return (until - datetime.fromisoformat(start)).total_seconds()


def rate(per_second: float) -> str:
    """1.5/s, 250/s, 12k/s, or 3/min for slow work."""
    if per_second < 0.1:
        return f"{per_second * 60:.1f}/min"
    return f"{per_second:.1f}/s" if per_second < 10 else f"{short(per_second)}/s"


def short(number: float) -> str:
    """1234 as 1.2k: four characters or so."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= size:
            scaled = number / (1e3 if unit == "k" else size)
            return f"{scaled:.0f}{unit}" if scaled >= 10 else f"{scaled:.1f}{unit}"
    return f"{number:.0f}"


def size(size_bytes: float) -> str:
    """Bytes in binary units: 512 B, 1.5 KiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"


def counted(count: int, one: str, many: str = "") -> str:
    """1 mini-batch, 2 mini-batches."""
    return f"{count:,} {one if count == 1 else many or one + ('es' if one.endswith('ch') else 's')}"


def ranges(indexes: Sequence[int], *, is_cut: bool = False) -> str:
    """Indexes as 1-3, 7; with an ellipsis when there may be more than are listed."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    words = [str(first) if first == last else f"{first}-{last}" for first, last in runs]
    return ", ".join([*words, "…"] if is_cut else words)
