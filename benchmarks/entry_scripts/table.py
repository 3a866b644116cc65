"""W3: the worker has read the DataFrame."""

from typing import Any

import ready
import work


def init() -> None:
    work.imported(0)
    ready.note()


def run(mini_batch: Any) -> list[str]:
    return work.rows_of_table(mini_batch)
