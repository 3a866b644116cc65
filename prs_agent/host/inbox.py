"""What the agent has given this worker and is not started: Run frames that wait, and the rest of the one that runs.

A reader thread receives frames while the main thread runs user code. An index is started when the main thread pops it from
`pending`; what is taken back is popped from the other end. Both are atomic, so the loop takes no lock per mini-batch.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import Callable, Deque, List, Optional, Tuple

from .frames import FROM_AGENT, Close, FrameError, GivenBack, Run, TakeBack, read_frame

_CHUNK = 4096  # indexes that lie in `pending` at a time


class Inbox:
    """Frames of the agent in, indexes for the main thread out."""

    def __init__(self, fd: int, send: Callable[[GivenBack], None]) -> None:
        self._fd = fd
        self._send = send
        self._lock = threading.Condition(threading.Lock())
        self._queue: Deque[Run] = deque()
        self._running: Optional[Run] = None
        self._next = self._stop = 0  # of the running frame: what has not been put into `pending` yet
        self._is_closing = False
        self._refuses = False
        self.pending: Deque[int] = deque()

    def start_reader(self) -> None:
        """Starts the thread that receives frames."""
        threading.Thread(target=self._receive, name="prs-reader", daemon=True).start()

    # The main thread.

    def next_run(self) -> Optional[Run]:
        """Waits for the next Run frame, and puts its first indexes into `pending`; None when the worker shall close."""
        with self._lock:
            self._running = None
            while not self._queue:
                if self._is_closing:
                    return None
                self._lock.wait()
            run = self._running = self._queue.popleft()
            self._next, self._stop = run.first, run.first + run.count
            self._fill()
            return run

    def refill(self) -> bool:
        """More indexes of the running frame into `pending`; False when it has none left."""
        with self._lock:
            self._fill()
            return bool(self.pending)

    def refuse(self) -> None:
        """Gives back everything that is not started, and from now on everything that comes: the worker is to be replaced."""
        with self._lock:
            self._refuses = True
        self._give_back(0)

    def _fill(self) -> None:
        stop = min(self._stop, self._next + _CHUNK)
        self.pending.extend(range(self._next, stop))
        self._next = stop

    # The reader thread.

    def _receive(self) -> None:
        try:
            while self._accept():
                pass
        except (OSError, FrameError):
            os._exit(1)

    def _accept(self) -> bool:
        frame = read_frame(self._fd, FROM_AGENT)
        if isinstance(frame, Run):
            self._enqueue(frame)
        elif isinstance(frame, TakeBack):
            self._give_back(frame.token)
        elif isinstance(frame, Close):
            with self._lock:
                self._is_closing = True
                self._lock.notify()
        elif frame is None:
            if not self._is_closing:
                os._exit(1)  # the agent is gone
            return False
        return True

    def _enqueue(self, run: Run) -> None:
        with self._lock:
            if not self._refuses:
                self._queue.append(run)
                self._lock.notify()
                return
        self._send(GivenBack(run.token, ((run.first, run.count),)))

    def _give_back(self, token: int) -> None:
        """One frame per lease, the last one of the token that was asked for: it is the answer."""
        with self._lock:
            taken = self._take_running(token)
            taken += [(run.token, run.first, run.count) for run in self._queue if token in (0, run.token)]
            self._queue = deque(run for run in self._queue if token not in (0, run.token))
        for each in sorted({lease for lease, _, _ in taken} - {token}) + [token]:
            self._send(GivenBack(each, tuple((first, count) for lease, first, count in taken if lease == each)))

    def _take_running(self, token: int) -> List[Tuple[int, int, int]]:
        run = self._running
        if run is None or token not in (0, run.token):
            return []
        first = self._next
        try:
            while True:
                first = self.pending.pop()
        except IndexError:
            pass
        count = self._stop - first
        self._next = self._stop = first
        return [(run.token, first, count)] if count else []
