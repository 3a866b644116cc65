"""What entry scripts raise to steer retries (spec section 3.6). azureml-core's own module wins where it is installed."""

from __future__ import annotations

from enum import Enum


class Retry(Enum):
    """What is to happen after a `ParallelRunException`."""

    NoRetry = "NoRetry"  # give up this mini-batch now
    RestartProcess = "RestartProcess"  # go on in a new worker
    StopProcess = "StopProcess"  # go on with one worker fewer
    Sleep = "Sleep"  # wait `delay_seconds` before the next mini-batch


class ParallelRunException(Exception):  # noqa: N818  azureml-core's name
    """Fails the attempt, and says what is to happen next."""

    def __init__(self, message: str = "", code: Retry = Retry.Sleep, delay_seconds: float = 0) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.delay_seconds = delay_seconds
