"""The loop of mini-batches: load, run(), count, encode, add to the outbox.

No-op mini-batches pass here by the hundred thousand per second, so `_carry_out` is one tight loop over local names; whatever
happens rarely (failures, loading problems, refilling) is a call.
"""

from __future__ import annotations

import os
import time
from typing import Any, Optional

from . import slot, user_logs
from .channel import EMPTY_OUTCOME, Outbox
from .context import MiniBatchContext, MiniBatchDataset
from .entry_script import EntryScript
from .failures import LoadError, RowsError, describe, directive_of, format_traceback, is_permanent
from .frames import Failed, Run
from .inbox import Inbox
from .loading import FileSource, Loaded, Loader
from .returns import BadReturn, count
from .rows import Encode

FENCING_VARIABLE = "PRS_FENCING_TOKEN"


class MiniBatchLoop:
    """Carries out Run frames until the agent closes the worker."""

    def __init__(
        self,
        *,
        script: EntryScript,
        loader: Loader,
        encode_rows: Optional[Encode],
        inbox: Inbox,
        outbox: Outbox,
        activity: slot.SlotWriter,
        errors: user_logs.UserErrors,
    ) -> None:
        self._script = script
        self._loader = loader
        self._encode_rows = encode_rows
        self._inbox = inbox
        self._outbox = outbox
        self._activity = activity
        self._errors = errors
        self._is_forked = False
        os.register_at_fork(after_in_child=self._note_fork)

    def serve(self) -> None:
        """Returns when Close has come and everything before it is done. SystemExit out of run() passes through."""
        while True:
            run = self._inbox.next_run()
            if run is None:
                return
            os.environ[FENCING_VARIABLE] = str(run.token)
            self._activity.set_token(run.token)
            self._outbox.begin(run)
            try:
                self._carry_out(run)
            finally:
                user_logs.flush_streams()
            self._activity.enter_phase(slot.IDLE)
            self._outbox.flush()

    def _carry_out(self, run: Run) -> None:  # noqa: C901, PLR0912, PLR0915  see the module: one loop on purpose
        inbox, outbox = self._inbox, self._outbox
        call, encode_rows = self._script.run, self._encode_rows
        takes_context, has_input = self._script.takes_context, self._loader.has_input
        enter, add, take, now = self._activity.enter, outbox.add, inbox.pending.popleft, time.monotonic
        loading, running = slot.LOADING, slot.RUNNING
        loaded = Loaded([], 0, [])
        items, flush_at = 0, now() + outbox.flush_interval_s
        while True:
            try:
                index = take()
            except IndexError:
                if inbox.refill():
                    continue
                return
            started = began = now()
            if has_input:
                enter(index, loading, started)
                outcome = self._load(run, index, started)
                if outcome is None:
                    continue
                loaded = outcome
                items = loaded.items
                began = now()
            enter(index, running, began)
            try:
                if takes_context:
                    returned = call(loaded.mini_batch if has_input else [], self._context(run, index, loaded))
                else:
                    returned = call(loaded.mini_batch if has_input else [])
                ended = now()
                if self._is_forked:
                    os._exit(0)
                succeeded = len(returned) if type(returned) is list else count(returned)
                payload = encode_rows(returned) if succeeded and encode_rows is not None else b""
            except BaseException as error:
                self._fail(run, index, error, started=started, began=began, items=items)
                continue
            add((index, started, began - started, ended - began, items, succeeded, payload))
            if ended >= flush_at:
                enter(index, slot.IDLE, ended)
                outbox.flush()
                flush_at = now() + outbox.flush_interval_s
            elif outbox.flusher_sleeps:
                outbox.wake_flusher()

    def _load(self, run: Run, index: int, started: float) -> Optional[Loaded]:
        """The mini-batch, or None when the loop has nothing to call run() with: it is empty, or could not be read."""
        try:
            loaded: Optional[Loaded] = self._loader.source_of(run).load(index)
        except Exception as error:
            self._fail(run, index, error, started=started, began=time.monotonic(), items=0)
            return None
        if loaded is None:
            self._outbox.add((index, started, time.monotonic() - started, 0.0, 0, EMPTY_OUTCOME, b""))
            self._outbox.wake_flusher()
        return loaded

    def _context(self, run: Run, index: int, loaded: Loaded) -> MiniBatchContext:
        source: Any = self._loader.source_of(run) if self._loader.has_input else FileSource
        first_row = source.first_row if self._loader.has_input else _no_row
        dataset = MiniBatchDataset(loaded.mini_batch, loaded.paths)
        return MiniBatchContext(index, run.attempt - 1, run.token, dataset, first_row, partition_key_value=loaded.key)

    def _fail(self, run: Run, index: int, error: BaseException, *, started: float, began: float, items: int) -> None:
        """Reports a failed attempt and does what its exception asks for; SystemExit goes on as the death of the worker."""
        ended = time.monotonic()
        if self._is_forked:
            os._exit(_exit_code(error))
        text = format_traceback(error)
        line = str(error) if isinstance(error, (BadReturn, LoadError, RowsError)) else describe(error)
        self._errors.write("mini-batch %d, attempt %d: %s" % (index, run.attempt, line), text)
        user_logs.flush_streams()
        if isinstance(error, SystemExit):
            # The slot still says which mini-batch runs, so the agent charges it for the end of this process.
            self._outbox.flush()
            raise error
        directive = directive_of(error)
        self._activity.enter_phase(slot.IDLE)
        self._outbox.send(
            Failed(
                token=run.token,
                index=index,
                attempt=run.attempt,
                kind=_kind_of(error),
                message=line,
                traceback=text,
                started_at=time.time() - (ended - started),
                load_us=int((began - started) * 1e6),
                run_us=int((ended - began) * 1e6),
                items_total=items,
                permanent=is_permanent(error) or isinstance(error, RowsError) or getattr(error, "permanent", False) is True,
                directive=directive,
            )
        )
        if isinstance(directive, dict):
            time.sleep(directive["sleep_s"])
        elif directive is not None:
            self._inbox.refuse()

    def _note_fork(self) -> None:
        self._is_forked = True


def _kind_of(error: BaseException) -> str:
    for kind, name in ((BadReturn, "bad return"), (RowsError, "output"), (LoadError, "load")):
        if isinstance(error, kind):
            return name
    return "exception"


def _exit_code(error: BaseException) -> int:
    """What a forked copy ends with: what its sys.exit() says, else 1."""
    if not isinstance(error, SystemExit):
        return 1
    return error.code & 0xFF if isinstance(error.code, int) else int(error.code is not None)


def _no_row(index: int) -> Optional[int]:
    return None
