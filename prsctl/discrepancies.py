"""What `prsctl job verify` finds wrong, and where."""

from dataclasses import asdict, dataclass, field
from typing import Any

# A damaged disk may break every block: the first ones say enough.
MOST_LISTED = 100


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One thing that is not as recorded. Places are None where there is none; offsets are bytes from 0, lines from 1."""

    kind: str  # "records", "segment" or "output"
    message: str
    mini_batch: int | None = None
    output_offset: int | None = None
    output_line: int | None = None
    segment: str | None = None
    segment_offset: int | None = None

    def document(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class Discrepancies:
    """Those of one step, in the order in which they were found; all are counted, the first MOST_LISTED kept."""

    listed: list[Discrepancy] = field(default_factory=list)
    count: int = 0

    def add(self, found: Discrepancy) -> None:
        self.count += 1
        if len(self.listed) < MOST_LISTED:
            self.listed.append(found)


def mini_batches(first: int, stop: int) -> str:
    """mini-batch 7, mini-batches 7 to 9."""
    return f"mini-batch {first}" if stop - first == 1 else f"mini-batches {first} to {stop - 1}"
