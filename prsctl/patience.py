"""How long those who wait for a job put up with a daemon that does not answer: one that restarts goes on with its jobs."""

import time
from pathlib import Path

from prsctl.consoles import say
from prsctl.failures import Unreachable
from prsctl.wording import duration

LIMIT_S = 600.0
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 1.0


class Patience:
    """With one daemon. That it is lost is said once, and once that it is back; a moment without it is not worth a word."""

    def __init__(self, address: str, limit_s: float = LIMIT_S) -> None:
        self._address = address
        self._limit_s = limit_s
        self._lost_at: float | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._is_told = False

    def lost(self, failure: Unreachable) -> None:
        """Pauses before the next try; raises the failure when it is no use to wait longer."""
        now = time.monotonic()
        if self._lost_at is None:
            self._lost_at = now
        elif not self._is_told:
            self._is_told = True
            say(f"the daemon does not answer: it is waited for, at most {duration(self._limit_s)}", "yellow")
        if now - self._lost_at >= self._limit_s or _is_gone_for_good(self._address):
            raise failure
        time.sleep(self._pause_s)
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def answered(self) -> None:
        """The daemon has said something."""
        if self._is_told:
            say("the daemon answers again", "green")
        self._lost_at, self._pause_s, self._is_told = None, _FIRST_PAUSE_S, False


def _is_gone_for_good(address: str) -> bool:
    """The daemon of a `prsctl run` listens in a folder that goes with it."""
    return address.startswith("unix:") and not Path(address.removeprefix("unix:")).parent.is_dir()
