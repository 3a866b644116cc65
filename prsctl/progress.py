"""Progress of a running job on stderr: animated on a terminal, a line now and then otherwise."""

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from prsctl import consoles
from prsctl.consoles import plain
from prsctl.documents import FINAL, state_name
from prsctl.rendering import STYLES
from prsctl.wording import counted, duration, rate, short
from prsd.v1 import jobs_pb2

_REFRESHES_PER_SECOND = 8
_LINE_INTERVAL_S = 5.0
_SHORTEST_BAR = 8
_LONGEST_BAR = 30


class Progress(Protocol):
    """Shows a job as it changes; used as a context manager round the whole watch."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, job: jobs_pb2.Job) -> None:
        """Takes the newest view of the job."""


def progress_on(console: Console | None = None, told: Iterable[str] = ()) -> Progress:
    """The progress that suits stderr; notices in `told` have been printed before."""
    console = console or consoles.messages()
    animated = console.is_terminal and not console.is_dumb_terminal
    return LiveProgress(console, told) if animated else PlainProgress(console, told)


class Silence:
    """No progress at all."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, job: jobs_pb2.Job) -> None:
        pass


class LiveProgress:
    """One line for each step, redrawn in place; what is left at the end is the last view."""

    def __init__(self, console: Console, told: Iterable[str] = ()) -> None:
        self._live = Live(console=console, refresh_per_second=_REFRESHES_PER_SECOND, redirect_stdout=False)
        self._told = set(told)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, job: jobs_pb2.Job) -> None:
        for notice in _new(job.notices, self._told):
            self._live.console.print(Text(f"notice: {plain(notice)}", "yellow"))
        self._live.update(JobLines(job))


class PlainProgress:
    """A line for each change of a state at once, and for counts at most every five seconds."""

    def __init__(self, console: Console, told: Iterable[str] = (), now: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._told = set(told)
        self._now = now
        self._shown: dict[str, tuple[str, float]] = {}  # by step: the state last printed, and when

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, job: jobs_pb2.Job) -> None:
        for notice in _new(job.notices, self._told):
            self._print(f"notice: {plain(notice)}")
        for step in job.steps:
            self._show_step(step)

    def _show_step(self, step: jobs_pb2.Step) -> None:
        state, now = state_name(step.state), self._now()
        shown_state, shown_at = self._shown.get(step.name, ("", 0.0))
        due = now - shown_at >= _LINE_INTERVAL_S and state not in FINAL
        if state != shown_state or due:
            self._shown[step.name] = (state, now)
            self._print("  ".join([plain(step.name), state, *facts_of(step)]))

    def _print(self, line: str) -> None:
        self._console.print(Text(line))


class JobLines:
    """The steps of a job, fitted to whatever width the console has when it is drawn."""

    def __init__(self, job: jobs_pb2.Job) -> None:
        self._job = job

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        names = max((len(step.name) for step in self._job.steps), default=0)
        names = min(names, max(8, options.max_width // 4))
        room = max(1, options.size.height - 4)
        shown = self._worth_showing(room)
        yield Group(*(line for step in shown for line in _lines(step, names, options.max_width)))
        if len(shown) < len(self._job.steps):
            yield Text(f"… and {counted(len(self._job.steps) - len(shown), 'step')} more", "dim")

    def _worth_showing(self, room: int) -> list[jobs_pb2.Step]:
        """All steps when they fit; else those that are not at rest first, in the order of the pipeline."""
        steps = list(self._job.steps)
        if len(steps) <= room:
            return steps
        moving = [step for step in steps if state_name(step.state) not in {*FINAL, "Queued"}]
        chosen = {step.name for step in (moving + [step for step in steps if step not in moving])[:room]}
        return [step for step in steps if step.name in chosen]


def facts_of(step: jobs_pb2.Step) -> list[str]:
    """What there is to say of a step, the most important first."""
    if step.type == "command":
        return []
    batches = step.mini_batches
    facts = [f"{batches.succeeded + batches.failed:,}/{batches.total:,}{'+' if step.division_running else ''}"]
    if batches.failed:
        facts.append(f"{batches.failed:,} failed")
    if state_name(step.state) not in FINAL and step.mini_batches_per_second > 0:
        facts.append(f"{rate(step.mini_batches_per_second)}")
        if batches.remaining + batches.running and not step.division_running:
            facts.append(f"ETA {duration((batches.remaining + batches.running) / step.mini_batches_per_second)}")
    if batches.retried:
        facts.append(f"{batches.retried:,} retried")
    if step.items.total:
        facts.append(f"{short(step.items.total)} items")
    return facts


def _new(notices: Iterable[str], told: set[str]) -> list[str]:
    new = [notice for notice in notices if notice not in told]
    told.update(new)
    return new


def _lines(step: jobs_pb2.Step, names: int, width: int) -> list[Table | Text]:
    lines: list[Table | Text] = [_step_line(step, names, width)]
    words = ""
    if state_name(step.state) not in FINAL:
        newest = step.errors[0] if step.errors else None
        words = f"{newest.count:,} x {newest.message}" if newest else step.waiting_reason
    if words:
        note = Text(f"  {plain(words).partition(chr(10))[0]}", "dim")
        note.truncate(width, overflow="ellipsis")
        lines.append(note)
    return lines


def _step_line(step: jobs_pb2.Step, names: int, width: int) -> Table:
    state = state_name(step.state)
    name = Text(plain(step.name))
    name.truncate(names, overflow="ellipsis", pad=True)
    cells: list[Text | ProgressBar] = [name, Text(f"{state:<10}", STYLES.get(state, "dim"))]
    room = width - names - 2 - max(10, len(state)) - 2
    facts = _fitting(facts_of(step), room)
    bar = min(_LONGEST_BAR, room - len("  ".join(facts)) - 2)
    if facts and step.mini_batches.total and bar >= _SHORTEST_BAR:
        done = step.mini_batches.succeeded + step.mini_batches.failed
        style = "red" if step.mini_batches.failed else "cyan"
        cells.append(
            ProgressBar(total=step.mini_batches.total, completed=done, width=bar, complete_style=style, finished_style=style)
        )
    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_row(*cells, Text("  ".join(facts), no_wrap=True))
    return line


def _fitting(facts: list[str], room: int) -> list[str]:
    """As many facts as there is room for; past the first two, a bar comes first."""
    while facts and len("  ".join(facts)) > (room if len(facts) <= 2 else room - _SHORTEST_BAR - 2):
        facts = facts[:-1]
    return facts
