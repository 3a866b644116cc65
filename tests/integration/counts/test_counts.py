"""A guard against costs that creep in, by counts instead of times.

Every bound is a fixed part and a part for each second that the job took: heartbeats, flushes and reports go by the clock, so
a slow machine has more of them. Bounds are about twice what is counted today; one message, fact, sync or system call too
many for each mini-batch is far beyond them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.counts.counting import Counts, count
from tests.integration.counts.relay import MessageCounter

NO_OP = 'def run(mini_batch):\n    return ["ok"]\n'
OF_20_MS = """
import time


def run(mini_batch):
    end = time.thread_time() + 0.02
    while time.thread_time() < end:
        pass
    return ["ok"]
"""

# For each count what it may be, and how much more for each second.
BOUNDS = {
    "messages_up": (120, 30),
    "messages_down": (180, 30),
    "bytes_up": (90_000, 4_000),
    "bytes_down": (50_000, 4_000),
    "facts": (200, 25),
    "appends": (50, 20),
    "log_bytes": (80_000, 2_000),
    "daemon_calls": (1_500, 500),
    "agent_calls": (1_800, 400),
    "agent_written_bytes": (360_000, 10_000),
    "daemon_syncs": (50, 20),
    "agent_syncs": (60, 25),
}


def excesses(counts: Counts) -> dict[str, str]:
    """The counts that are over their bound."""
    found = {}
    for name, (fixed, each_second) in BOUNDS.items():
        bound = fixed + each_second * counts.wall_s
        if counts.cost.get(name, 0) > bound:
            found[name] = f"{counts.cost[name]}, more than {bound:.0f}"
    return found


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("mini_batches", "script"), [(20_000, NO_OP), (200, OF_20_MS)], ids=["no-op", "20 ms"])
def test_a_job_costs_no_more_messages_facts_syncs_and_calls_than_it_should(
    tmp_path: Path, mini_batches: int, script: str
) -> None:
    counts = count(tmp_path, mini_batches, script)
    print(f"for each 1,000 of {mini_batches} mini-batches:\n{counts.per_thousand(mini_batches)}")
    assert excesses(counts) == {}


def test_one_message_for_each_mini_batch_would_be_noticed() -> None:
    dear = Counts(4.0, {"messages_up": 20_000, "messages_down": 86, "facts": 20_000, "agent_syncs": 26})
    assert excesses(dear).keys() == {"messages_up", "facts"}


@pytest.mark.parametrize("piece", [1, 3, 10, 1000])
def test_messages_are_counted_whatever_pieces_their_bytes_come_in(piece: int) -> None:
    def frame(kind: int, stream: int, payload: bytes) -> bytes:
        return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + stream.to_bytes(4, "big") + payload

    def message(text: bytes) -> bytes:
        return b"\0" + len(text).to_bytes(4, "big") + text

    two_in_one_frame = frame(0, 1, message(b"one") + message(b""))
    one_in_two_frames = [frame(0, 3, part) for part in (message(b"three")[:7], message(b"three")[7:])]
    interleaved = one_in_two_frames[0] + frame(0, 1, message(b"four")) + frame(4, 0, b"settings") + one_in_two_frames[1]
    sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + two_in_one_frame + interleaved
    counter = MessageCounter()
    for at in range(0, len(sent), piece):
        counter.take(sent[at : at + piece])
    assert (counter.messages, counter.size_bytes) == (4, len(sent))
