"""The frames between the agent and the host, as values; `frames` gives them bytes.

Agent to worker: Start, Run, TakeBack, Close. Worker to agent: Ready or StartFailed, then Results, Failed, GivenBack and
Notice, and Closed at the end.
"""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Optional, Tuple, Union


class FrameError(ValueError):
    """The bytes are no frame of this protocol: the peer is broken, or something else wrote to its descriptor."""


class Append(NamedTuple):
    """What becomes of the rows that `run()` returns (spec section 5.1)."""

    enabled: bool = False
    format: str = "text"  # "text", "csv", "jsonl" or "parquet"
    dataframe_header: bool = False
    to_csv: Dict[str, Any] = {}  # keyword arguments of pandas.DataFrame.to_csv; the settings file in the code wins


class Start(NamedTuple):
    """The first frame: everything that a worker must know. Paths are absolute."""

    entry_script: str
    code_root: str
    argv: Tuple[str, ...] = ()  # runtime arguments, then program arguments
    slot_path: str = ""  # empty: no slot is written
    worker: str = "process000"
    node: int = 0
    input_kind: str = "none"  # "files", "tabular", "rank" or "none"
    input_root: str = ""  # what paths in the manifest are relative to
    manifest_dir: str = ""
    logging_level: str = "INFO"
    entry_script_log_dir: str = ""  # the folder of this node; made when something is written
    user_error_dir: str = ""
    output_dir: str = ""
    append: Append = Append()
    strict_types: bool = False
    run_id: str = ""
    job: str = ""
    step: str = ""
    flush_interval_s: float = 0.02
    profiling_module: str = ""  # "cProfile", "profile" or none
    profile_path: str = ""


class Run(NamedTuple):
    """Carry out `count` mini-batches from `first`, all described by one manifest part."""

    token: int
    first: int
    count: int  # type: ignore[assignment]
    attempt: int = 1
    part: str = ""  # file name in `Start.manifest_dir`; empty for rank mini-batches


class TakeBack(NamedTuple):
    """Give back what has not been started under this token; 0: everything."""

    token: int = 0


class Close(NamedTuple):
    """When what is queued is done: shutdown() and exit."""


class Ready(NamedTuple):
    """The entry script is loaded and init() has returned."""

    init_s: float
    pid: int
    python: str
    takes_context: bool


class StartFailed(NamedTuple):
    """The worker cannot work and exits with 1. `permanent`: no worker could (no run(), a syntax error)."""

    kind: str  # "start" (before init) or "init"
    message: str
    traceback: str = ""
    permanent: bool = False


class Results(NamedTuple):
    """`count` mini-batches from `first` that succeeded, or (`empty`) that had nothing to run on.

    The five columns are in the stored form of `prsd.base.columns`. `payload` is the rows of all of them in index order;
    `lengths` says how many bytes each has.
    """

    token: int
    first: int
    count: int  # type: ignore[assignment]
    attempt: int
    started_at: float  # wall clock of the first one, seconds since the epoch
    empty: bool
    items_total: bytes
    items_succeeded: bytes
    load_us: bytes
    run_us: bytes
    lengths: bytes
    payload: bytes = b""


class Failed(NamedTuple):
    """One attempt that ended without a result."""

    token: int
    index: int  # type: ignore[assignment]
    attempt: int
    kind: str  # "exception", "bad return", "output" or "load"
    message: str
    traceback: str = ""
    started_at: float = 0.0
    load_us: int = 0
    run_us: int = 0
    items_total: int = 0
    permanent: bool = False
    directive: Union[None, str, Dict[str, float]] = None  # "restart_process", "stop_process" or {"sleep_s": seconds}


class GivenBack(NamedTuple):
    """(first, count) of what was not started; the answer to TakeBack, also when there is nothing."""

    token: int
    ranges: Tuple[Tuple[int, int], ...] = ()


class Notice(NamedTuple):
    """A line that a person should see once ("column 'a' was widened")."""

    message: str


class Closed(NamedTuple):
    """The answer to Close: shutdown() has returned, or failed with this traceback."""

    shutdown_error: Optional[str] = None


Frame = Union[Start, Run, TakeBack, Close, Ready, StartFailed, Results, Failed, GivenBack, Notice, Closed]
