"""The entry script of a chaos job, and what it returns for each mini-batch. Standard library only; copied into the job."""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FINE, FAILS_ONCE, FAILS_ALWAYS, DIES_ONCE = "fine", "fails_once", "fails_always", "dies_once"

_seed = 0
_longest_sleep_s = 0.0


def _draws(seed: int, index: int) -> bytes:
    return hashlib.sha256(f"{seed}:{index}".encode()).digest()


def fate_of(seed: int, index: int) -> str:
    """What becomes of a mini-batch: 3 in 100 fail once, 1 in 100 always, 0.4 in 100 kill their worker once."""
    drawn = int.from_bytes(_draws(seed, index)[:2], "little") % 1000
    if drawn < 30:
        return FAILS_ONCE
    if drawn < 40:
        return FAILS_ALWAYS
    return DIES_ONCE if drawn < 44 else FINE


def rows_of(seed: int, index: int) -> list[str]:
    """The rows of a mini-batch, without their newlines: none to three, each unlike any other, a few of them long."""
    drawn = _draws(seed, index)
    count = 0 if drawn[2] < 6 else 1 + drawn[3] % 3
    rows = []
    for number in range(count):
        digest = hashlib.sha256(f"{seed}:{index}:{number}".encode()).hexdigest()
        rows.append(f"{index:07} {number}/{count} {digest * (40 if drawn[4] < 8 else 1)}")
    return rows


def init() -> None:
    """Read the arguments of the job."""
    global _seed, _longest_sleep_s
    parser = argparse.ArgumentParser()
    parser.add_argument("--chaos_seed", type=int, required=True)
    parser.add_argument("--longest_sleep_ms", type=float, default=10)
    given, _ = parser.parse_known_args()
    _seed = given.chaos_seed
    _longest_sleep_s = given.longest_sleep_ms / 1000


def run(mini_batch: Sequence[str], context: Any) -> list[str]:
    """Sleep, do what is this mini-batch's fate, return its rows. Of a file, the index is what is written in it."""
    index = int(Path(mini_batch[0]).read_text()) if mini_batch else context.minibatch_index
    time.sleep(random.uniform(0, _longest_sleep_s))
    fate = fate_of(_seed, index)
    is_first = context.retry_count == 0
    if fate == FAILS_ALWAYS or (fate == FAILS_ONCE and is_first):
        raise ValueError(f"mini-batch {index} {fate}")
    if fate == DIES_ONCE and is_first:
        os.kill(os.getpid(), signal.SIGKILL)
    return rows_of(_seed, index)
