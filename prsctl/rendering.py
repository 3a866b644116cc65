"""The same documents in every form that `-o` names, and the tables of the verbs that list and show."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from prsctl.consoles import plain, print_data, print_table
from prsctl.options import Format
from prsctl.wording import ago, counted, duration, elapsed_s, ranges

Document = dict[str, Any]

STYLES = {
    "Completed": "green",
    "Failed": "bold red",
    "Canceled": "yellow",
    "CancelRequested": "yellow",
    "Running": "cyan",
    "Preparing": "cyan",
    "Finalizing": "cyan",
}


def show(document: Document, form: Format, table: Callable[[Document], RenderableType]) -> None:
    """Prints one document on stdout."""
    if form is Format.TABLE:
        print_table(table(document))
    else:
        _print_documents([document], document, form)


def show_all(
    documents: Sequence[Document],
    form: Format,
    table: Callable[[Sequence[Document]], RenderableType],
    *,
    uncut: bool = False,
) -> None:
    """Prints a list of documents on stdout: one JSON array, or a line for each (jsonl, name)."""
    if form is Format.TABLE:
        print_table(table(documents), uncut=uncut)
    else:
        _print_documents(documents, list(documents), form)


def _print_documents(documents: Sequence[Document], whole: object, form: Format) -> None:
    match form:
        case Format.JSON:
            print_data(json.dumps(whole, indent=2, ensure_ascii=False))
        case Format.YAML:
            import yaml

            print_data(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True).rstrip())
        case Format.JSONL:
            for document in documents:
                print_data(json.dumps(document, ensure_ascii=False))
        case Format.NAME:
            for document in documents:
                print_data(str(document["name"]))


def state(name: str) -> Text:
    """A state in its colour."""
    return Text(name, STYLES.get(name, ""))


def table_of(*columns: str, numbers: Sequence[str] = ()) -> Table:
    """An empty table without lines; the first column is never cut."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, column in enumerate(columns):
        justify = "right" if column in numbers else "left"
        table.add_column(column, justify=justify, no_wrap=True, overflow="fold" if place == 0 else "ellipsis")  # type: ignore[arg-type]
    return table


def jobs_table(jobs: Sequence[Document]) -> Table:
    """One line for each job."""
    table = table_of("NAME", "STATE", "MINI-BATCHES", "CREATED", "TOOK", numbers=["MINI-BATCHES"])
    for job in jobs:
        took = elapsed_s(job["create_time"], job["end_time"])
        table.add_row(
            plain(job["name"]),
            state(job["state"]),
            _progress_of(job["steps"]),
            ago(job["create_time"]),
            "" if took is None else duration(took),
        )
    return table


def job_view(job: Document) -> RenderableType:
    """One job: what it is, its steps, its outputs, and what went wrong."""
    facts = Table.grid(padding=(0, 2, 0, 0))
    took = elapsed_s(job["create_time"], job["end_time"])
    rows = {
        "name": job["name"],
        "display name": job["display_name"],
        "experiment": job["experiment_name"],
        "state": state(job["state"]),
        "resumed from": job["resumed_from"],
        "created": ago(job["create_time"]),
        "took": "" if took is None else duration(took),
        "error": Text(plain(job["error"]), "red"),
    }
    for name, value in rows.items():
        if value:
            facts.add_row(Text(name, "bold"), value if isinstance(value, Text) else plain(value))
    notices = [Text(f"notice: {plain(notice)}", "yellow") for notice in job["notices"]]
    return Group(facts, "", steps_table(job["steps"]), *notices)


def steps_table(steps: Sequence[Document]) -> Table:
    """One line for each step."""
    table = table_of("STEP", "TYPE", "STATE", "DONE", "FAILED", "RETRIED", "ITEMS", "NOTE", numbers=_NUMBERS)
    for step in steps:
        batches = step["mini_batches"]
        table.add_row(
            plain(step["name"]),
            step["type"],
            state(step["state"]),
            _progress_of([step]),
            f"{batches['failed']:,}",
            f"{batches['retried']:,}",
            f"{step['items']['succeeded']:,}/{step['items']['total']:,}",
            plain(step["error"] or step["waiting_reason"]).partition("\n")[0],
        )
    return table


_NUMBERS = ("DONE", "FAILED", "RETRIED", "ITEMS")


def agents_table(agents: Sequence[Document]) -> Table:
    """One line for each agent."""
    table = table_of("NAME", "COMPUTE", "SLOTS", "FREE", "HEARD", "VERSION", numbers=["SLOTS", "FREE"])
    for agent in agents:
        heard = f"{duration(agent['heartbeat_age_s'])} ago"
        table.add_row(
            plain(agent["name"]),
            plain(agent["compute"]),
            str(agent["slots"]),
            str(agent["free_slots"]),
            f"{heard}, draining" if agent["draining"] else heard,
            plain(agent["version"]),
        )
    return table


def outputs_table(outputs: Sequence[Document]) -> Table:
    """One line for each output, to be printed uncut."""
    table = table_of("NAME", "PATH")
    for output in outputs:
        table.add_row(plain(output["name"]), plain(output["path"]))
    return table


def errors_view(errors: Sequence[Document]) -> RenderableType:
    """Every distinct error with its count, the mini-batches concerned and its traceback."""
    return Group(*(error_text(error, f"{error['name']}: ") for error in errors)) if errors else Text("no errors")


def error_text(error: Document, place: str = "") -> Text:
    """One distinct error: the traceback of the user's frames, then how often and where it happened."""
    traceback, message = plain(error["traceback"]).rstrip(), plain(error["message"])
    text = Text(place)
    text.append(message if place or message not in traceback else "", "bold red")
    if traceback:
        text.append("\n" if text.plain else "")
        text.append(traceback)
    where = ranges(error["mini_batches"], is_cut=len(error["mini_batches"]) >= _MOST_MINI_BATCHES)
    text.append(
        f"\n  {error['kind']}, {counted(error['count'], 'time')}" + (f", mini-batches {where}" if where else ""), "dim"
    )
    return text


# The daemon names the lowest twenty mini-batches of an error.
_MOST_MINI_BATCHES = 20


def _progress_of(steps: Sequence[Document]) -> str:
    batches = [step["mini_batches"] for step in steps]
    done = sum(each["succeeded"] + each["failed"] for each in batches)
    return f"{done:,}/{sum(each['total'] for each in batches):,}"
