"""W8: when the first run() was."""

import ready

is_first = True


def run(mini_batch: list[str]) -> list[str]:
    global is_first
    if is_first:
        is_first = False
        ready.note()
    return ["ok"]
