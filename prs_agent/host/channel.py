"""The host's end of the channel to the agent: finished mini-batches gather here and leave as ranges, other frames at once.

The main thread adds results, and a flusher thread sends what has waited for `flush_interval_s`: a mini-batch of an hour must
not hold back the results of those before it. `add` takes no lock: appending to a list is atomic.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Iterator, List, NamedTuple, Sequence, Set, Tuple

from . import columns
from .frames import Failed, Frame, FrameError, Notice, Results, Run, encode

EMPTY_OUTCOME = -1  # in place of the number of returned elements: there was nothing to run on
_PAYLOAD_GROUP_BYTES = 16 * 1024 * 1024  # of the rows in one Results frame that holds more than one mini-batch
_NOTICES_LIMIT = 1000

# index, started (monotonic), load_s, run_s, items, returned elements or EMPTY_OUTCOME, payload
Finished = Tuple[int, float, float, float, int, int, bytes]


class _Group(NamedTuple):
    is_empty: bool
    finished: Sequence[Finished]


class Outbox:
    """Everything that the host says. Thread-safe; in a forked copy of the process every write ends that copy."""

    def __init__(self, fd: int, flush_interval_s: float = 0.02) -> None:
        self._fd = fd
        self.flush_interval_s = flush_interval_s
        self._lock = threading.Lock()
        self._finished: List[Finished] = []
        self._run = Run(0, 0, 1)
        self._pid = os.getpid()
        self._noticed: Set[str] = set()
        self._wake = threading.Event()
        self.flusher_sleeps = False
        self.add = self._finished.append

    def start_flusher(self) -> None:
        """Starts the thread that bounds how long a finished result waits."""
        threading.Thread(target=self._flush_regularly, name="prs-flusher", daemon=True).start()

    def wake_flusher(self) -> None:
        """Called after `add` when `flusher_sleeps`; two steps, because an attribute costs less than an Event."""
        self._wake.set()

    def begin(self, run: Run) -> None:
        """Results that are added from now on are of this Run frame; those before it have been flushed."""
        self._run = run

    def flush(self) -> None:
        """Sends every finished mini-batch."""
        if self._finished:
            with self._lock:
                self._write_finished()

    def send(self, frame: Frame) -> None:
        """Sends a frame, after the results that were finished before it."""
        data = encode(frame)
        with self._lock:
            self._write_finished()
            self._write(data)

    def notice(self, message: str) -> None:
        """Sends a line for the step's notices, unless this worker has said it before."""
        if message not in self._noticed and len(self._noticed) < _NOTICES_LIMIT:
            self._noticed.add(message)
            self.send(Notice(message))

    def _flush_regularly(self) -> None:
        while True:
            self.flusher_sleeps = True
            if not self._finished:
                self._wake.wait()
            self._wake.clear()
            self.flusher_sleeps = False
            time.sleep(self.flush_interval_s)
            self.flush()

    def _write_finished(self) -> None:
        count = len(self._finished)
        if not count:
            return
        batch = self._finished[:count]
        del self._finished[:count]
        for group in _groups(batch):
            self._write(self._encode(group))

    def _encode(self, group: _Group) -> bytes:
        indexes, started, load_s, run_s, totals, returned, payloads = zip(*group.finished)  # noqa: B905  zip() has no strict before 3.10
        run = self._run
        count = len(indexes)
        results = Results(
            token=run.token,
            first=indexes[0],
            count=count,
            attempt=run.attempt,
            started_at=time.time() - (time.monotonic() - started[0]),
            empty=group.is_empty,
            items_total=columns.encode(totals),
            items_succeeded=columns.encode([0] * count if group.is_empty else returned),
            load_us=columns.encode(_microseconds(load_s)),
            run_us=columns.encode(_microseconds(run_s)),
            lengths=columns.encode(list(map(len, payloads))),
            payload=b"".join(payloads),
        )
        try:
            return encode(results)
        except FrameError as error:  # only one mini-batch alone can be too large
            total, message = totals[0], "the rows of one mini-batch are too many for one frame: %s" % error
            failed = Failed(run.token, indexes[0], run.attempt, "output", message, items_total=total, permanent=True)
            return encode(failed)

    def _write(self, data: bytes) -> None:
        if os.getpid() != self._pid:
            os._exit(1)
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except (BrokenPipeError, ConnectionError):
            os._exit(1)  # the agent is gone, and nobody is left to work for


def _microseconds(seconds: Sequence[float]) -> List[int]:
    # Rank mini-batches take no time to load: nothing to convert.
    return [int(each * 1e6) for each in seconds] if any(seconds) else [0] * len(seconds)


def _groups(batch: Sequence[Finished]) -> Iterator[_Group]:
    """Consecutive mini-batches that fit one frame: all of them empty or none, and not too many rows."""
    start, size_bytes = 0, 0
    if not any(finished[6] or finished[5] < 0 for finished in batch):
        yield _Group(False, batch)
        return
    for position, finished in enumerate(batch):
        is_empty = finished[5] == EMPTY_OUTCOME
        size_bytes += len(finished[6])
        is_other = is_empty != (batch[start][5] == EMPTY_OUTCOME)
        if position > start and (is_other or size_bytes > _PAYLOAD_GROUP_BYTES):
            yield _Group(batch[start][5] == EMPTY_OUTCOME, batch[start:position])
            start, size_bytes = position, len(finished[6])
    yield _Group(batch[start][5] == EMPTY_OUTCOME, batch[start:])
