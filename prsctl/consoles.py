"""The two ends of output: stdout for data, stderr for messages. Colour and animation only on a terminal.

rich is imported with the first line that is printed: `prsctl --help` does without.
"""

import re
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# What moves the cursor or rings the bell must not come out of an error message of somebody's script.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_WIDTH_OF_A_PIPE = 100_000


@cache
def messages() -> "Console":
    """stderr, for people."""
    from rich.console import Console

    return Console(stderr=True, markup=False, highlight=False, emoji=False, soft_wrap=True)


def say(message: str, style: str = "") -> None:
    """Prints a message on stderr."""
    from rich.text import Text

    messages().print(Text(plain(message), style))


def print_data(text: str) -> None:
    """Prints a piece of data on stdout as it is."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_table(table: "RenderableType", *, uncut: bool = False) -> None:
    """Prints a table on stdout: fitted to a terminal, or `uncut` as into a pipe, so that paths can be copied."""
    from rich.console import Console

    print_data(drawn(table, Console(markup=False, highlight=False, emoji=False), uncut=uncut))


def drawn(table: "RenderableType", console: "Console", *, uncut: bool = False) -> str:
    """The text of a table on that console, without blanks at the ends of lines."""
    if uncut or not console.is_terminal:
        console.width = _WIDTH_OF_A_PIPE
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def plain(text: str) -> str:
    """Text that is safe on a terminal: control characters other than tab and newline are replaced."""
    return _CONTROL.sub("�", text)
