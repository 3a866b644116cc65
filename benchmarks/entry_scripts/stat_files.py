"""W4."""

import ready
import work


def init() -> None:
    ready.note()


def run(mini_batch: list[str]) -> list[str]:
    return work.stat_files(mini_batch)
