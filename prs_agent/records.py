"""What is written down about one worker: lines in the step's logs, error records, and the attempt log behind
`processed_mini-batches.csv` (spec section 6). None of it is durable; none of it may stop a worker."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from prs_agent.host import frames, slot
from prs_agent.logs import StepLogs
from prs_agent.notices import SUFFIX, WorkerNotices
from prs_agent.outputs.attempts import AttemptLog, AttemptRange, Numbers
from prsd.base.columns import Column

log = logging.getLogger("prs_agent.records")

_DEATHS = {"timeout": "RUN_TIMEOUT", "load timeout": "LOAD_TIMEOUT"}


class Records:
    """One worker's records. The attempt log is made when there is something to say."""

    def __init__(self, logs: StepLogs, attempts_path: Path, worker: str, node: int, agent: str) -> None:
        self._logs = logs
        self._path = attempts_path
        self._worker = worker
        self._node = node
        self._agent = agent
        self._attempts: AttemptLog | None = None
        self._notices = WorkerNotices(attempts_path.with_suffix(SUFFIX))

    def line(self, message: str, level: str = "INFO") -> None:
        """A line in the worker's log."""
        self._logs.worker(self._worker, message, level)

    def notice(self, message: str) -> None:
        self.line(f"notice: {message}")
        self._notices.note(message)

    def ready(self, frame: frames.Ready) -> None:
        self.line(f"is ready: {frame.python}, init() took {frame.init_s:.3f} s")
        init_us = int(frame.init_s * 1e6)
        self._append(None, 0, 1, 0, time.time() - frame.init_s, "LOAD_DONE", load_us=init_us)

    def start_failed(self, frame: frames.StartFailed) -> None:
        self.line(f"could not start: {frame.message}", "ERROR")
        self._logs.error(
            self._worker,
            {"task_id": None, "method": frame.kind, "message": frame.message, "traceback": frame.traceback},
        )

    def results(self, frame: frames.Results) -> None:
        def column(stored: bytes) -> Numbers:
            unpacked = Column.from_bytes(stored, frame.count)
            uniform = unpacked.uniform()
            return cast("Sequence[int]", unpacked) if uniform is None else uniform

        self._append(
            frame.first,
            frame.count,
            frame.attempt,
            frame.token,
            frame.started_at,
            "EMPTY" if frame.empty else "RUN_DONE",
            load_us=column(frame.load_us),
            run_us=column(frame.run_us),
            total=column(frame.items_total),
            succeeded=column(frame.items_succeeded),
        )

    def failed(self, frame: frames.Failed) -> None:
        self._append(
            frame.index,
            1,
            frame.attempt,
            frame.token,
            frame.started_at,
            "RUN_EXCEPTION",
            load_us=frame.load_us,
            run_us=frame.run_us,
            total=frame.items_total,
            message=frame.message,
        )
        self._logs.error(
            self._worker,
            {
                "task_id": frame.index,
                "dequeue_count": frame.attempt,
                "total": frame.items_total,
                "succeeded": 0,
                "method": "run",
                "exc_type": frame.message.partition(":")[0],
                "message": frame.message,
                "run_method_duration": frame.run_us / 1e6,
                "status": "RUN_EXCEPTION",
                "traceback": frame.traceback,
            },
        )

    def died(self, view: slot.SlotView, attempt: int, run_us: int, cause: str, detail: str) -> None:
        """The worker ended in the middle of a mini-batch."""
        outcome = _DEATHS.get(cause, "RUN_EXCEPTION")
        is_running = view.phase == slot.RUNNING
        self._append(
            view.index,
            1,
            attempt,
            view.token,
            time.time() - run_us / 1e6,
            outcome,
            load_us=0 if is_running else run_us,
            run_us=run_us if is_running else 0,
            message=detail,
        )
        self._logs.error(
            self._worker,
            {
                "task_id": view.index,
                "dequeue_count": attempt,
                "total": 0,
                "succeeded": 0,
                "method": "run" if is_running else "load",
                "message": detail,
                "run_method_duration": run_us / 1e6 if is_running else 0.0,
                "status": outcome,
            },
        )

    def close(self) -> None:
        if self._attempts is not None:
            self._attempts.close()

    def _append(  # noqa: PLR0917 - the columns of a record, in order
        self,
        first: int | None,
        count: int,
        attempt: int,
        token: int,
        started_at: float,
        outcome: str,
        *,
        load_us: Numbers = 0,
        run_us: Numbers = 0,
        total: Numbers = 0,
        succeeded: Numbers = 0,
        message: str = "",
    ) -> None:
        record = AttemptRange(
            worker=self._worker,
            node=self._node,
            agent=self._agent,
            token=token,
            first=first,
            count=count,
            attempt=attempt,
            started_at=started_at,
            load_us=load_us,
            run_us=run_us,
            items_total=total,
            items_succeeded=succeeded,
            outcome=outcome,
            message=message,
        )
        try:
            if self._attempts is None:
                self._attempts = AttemptLog(self._path)
            self._attempts.append(record)
        except OSError as error:
            log.warning("cannot write the attempt log %s: %s", self._path, error)
