"""W2."""

import ready
import work

CPU_MS = ready.arguments().cpu_ms


def init() -> None:
    ready.note()


def run(mini_batch: list[str]) -> list[str]:
    return work.spin(CPU_MS)
