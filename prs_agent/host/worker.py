"""A worker's life: take the channel, start, init(), mini-batches until Close, shutdown()."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib import import_module
from typing import Any, Optional, Tuple

from . import profiling, slot, stand_in_finder, user_logs
from .channel import Outbox
from .entry_script import EntryScript, load
from .failures import StartError, describe, format_traceback, is_argparse_exit
from .frames import FROM_AGENT, Closed, Ready, Start, StartFailed, read_frame
from .inbox import Inbox
from .loading import Loader
from .loop import MiniBatchLoop
from .rows import make_encoder

DESCRIPTORS = "PRS_HOST_FDS"


def main() -> int:
    """The process; its exit code. 0 after Close, 1 when it could not start; what sys.exit() in run() says otherwise."""
    began = time.monotonic()
    reading, writing = _take_descriptors()
    start = read_frame(reading, FROM_AGENT)
    if not isinstance(start, Start):
        return 1
    user_logs.prepare_streams(start.logging_level)
    profiler = profiling.profiler_of(start.profiling_module)
    outbox = Outbox(writing, start.flush_interval_s)
    inbox = Inbox(reading, outbox.send)
    _leave_forked_children(reading, writing)
    activity = slot.SlotWriter(start.slot_path)
    errors = user_logs.UserErrors(start.user_error_dir, start.worker)
    try:
        activity.enter_phase(slot.INIT)
        script, loop = _start(start, inbox, outbox, activity, errors)
        activity.enter_phase(slot.IDLE)
    except StartError as error:
        errors.write(error.message, error.traceback_text)
        user_logs.flush_streams()
        outbox.send(StartFailed(error.kind, error.message, error.traceback_text, error.permanent))
        return 1
    python = platform.python_implementation() + " " + platform.python_version()
    outbox.send(Ready(time.monotonic() - began, os.getpid(), python, script.takes_context))
    profiling.profiled(profiler, start.profile_path, loop.serve)
    activity.enter_phase(slot.SHUTDOWN)
    outbox.send(Closed(_shut_down(script, errors)))
    return 0


def _take_descriptors() -> Tuple[int, int]:
    """The two ends of the channel, out of the environment and out of reach of programs that user code starts."""
    reading, writing = (int(number) for number in os.environ.pop(DESCRIPTORS).split(","))
    for fd in (reading, writing):
        os.set_inheritable(fd, False)
    return reading, writing


def _leave_forked_children(reading: int, writing: int) -> None:
    """A forked copy of this process (multiprocessing) gives the channel up: the agent must see when the worker ends."""

    def give_up() -> None:
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (reading, writing):
            os.dup2(null, fd, inheritable=False)
        os.close(null)

    os.register_at_fork(after_in_child=give_up)


def _start(
    start: Start, inbox: Inbox, outbox: Outbox, activity: slot.SlotWriter, errors: user_logs.UserErrors
) -> Tuple[EntryScript, MiniBatchLoop]:
    """Everything up to the end of init(); StartError when one of it fails."""
    inbox.start_reader()
    outbox.start_flusher()
    if start.run_id:
        os.environ.setdefault("AZUREML_RUN_ID", start.run_id)
    _require_pandas(start)
    stand_in_finder.install(start)
    script = load(start.entry_script, start.code_root, start.argv)
    encode_rows = make_encoder(start.append, start.code_root, outbox.notice)
    _init(script)
    loader = Loader(start, outbox.notice)
    return script, MiniBatchLoop(
        script=script,
        loader=loader,
        encode_rows=encode_rows,
        inbox=inbox,
        outbox=outbox,
        activity=activity,
        errors=errors,
    )


def _require_pandas(start: Start) -> None:
    """Refuses tabular input by name before init(), where the interpreter has nothing to hold a table."""
    if start.input_kind != "tabular":
        return
    try:
        import_module("pandas")
    except ImportError as error:
        message = "the input is tabular, so the environment of the entry script needs pandas; %s has none: %s"
        raise StartError("start", message % (sys.executable, error), permanent=True) from error


def _init(script: EntryScript) -> None:
    if script.init is None:
        return
    main_pid = os.getpid()
    try:
        script.init()
    except BaseException as error:
        _end_if_forked(main_pid, error)
        message = "init() raised %s" % describe(error)
        raise StartError("init", message, format_traceback(error), is_argparse_exit(error)) from error
    _end_if_forked(main_pid)


def _shut_down(script: EntryScript, errors: user_logs.UserErrors) -> Optional[str]:
    """The traceback of what shutdown() raised, or None. It is reported and changes nothing else."""
    if script.shutdown is None:
        return None
    main_pid = os.getpid()
    try:
        script.shutdown()
    except BaseException as error:
        _end_if_forked(main_pid, error)
        text = format_traceback(error)
        errors.write("shutdown() raised %s" % describe(error), text)
        return text
    _end_if_forked(main_pid)
    return None


def _end_if_forked(main_pid: int, error: Any = None) -> None:
    """Ends a copy of the process that user code forked and let return to us."""
    if os.getpid() != main_pid:
        os._exit(1 if error is not None else 0)
