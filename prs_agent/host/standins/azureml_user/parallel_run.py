"""`from azureml_user.parallel_run import EntryScript`: a worker's logger and folders, for user code (spec section 3.5).

In a worker the host fills in where things go. Anywhere else (a user's own tests) the logger writes to stderr, and the
folders lie below the current one.
"""

from __future__ import annotations

import logging
import os
from typing import Optional

_LOGGER_NAME = "azureml_user.parallel_run"
_LINE = "%(asctime)s|%(levelname)s|%(process)d|%(thread)d|%(message)s"


class _LogFile(logging.FileHandler):
    """A log file that is made, with its folder, at the first line."""

    def __init__(self, path: str) -> None:
        super().__init__(path, encoding="utf-8", delay=True)

    def _open(self):  # type: ignore[no-untyped-def]  # the base's type differs between versions of Python
        os.makedirs(os.path.dirname(self.baseFilename), exist_ok=True)
        return super()._open()


class EntryScript:
    """The running entry script. A singleton: every call gives the same object."""

    _instance: Optional[EntryScript] = None

    agent_name: str
    log_dir: str
    output_dir: str
    logger: logging.Logger

    def __new__(cls) -> EntryScript:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
            cls._instance._set_up_alone()
        return cls._instance

    def _set_up_alone(self) -> None:
        self.agent_name = "process000"
        self.log_dir = os.path.abspath(os.path.join("logs", "user", "entry_script_log", "0"))
        self.output_dir = os.path.abspath("outputs")
        self.logger = logging.getLogger(_LOGGER_NAME)
        if not self.logger.handlers:
            self._log_to(logging.StreamHandler(), "INFO")

    def _log_to(self, destination: logging.Handler, level: str) -> None:
        destination.setFormatter(logging.Formatter(_LINE))
        self.logger.handlers[:] = [destination]
        self.logger.setLevel(level)
        self.logger.propagate = False


def configure(agent_name: str, log_dir: str, output_dir: str, level: str) -> None:
    """For the host: `log_dir` gets `<agent_name>.log.txt`; `level` is a name such as "INFO"."""
    script = EntryScript()
    script.agent_name = agent_name
    script.output_dir = output_dir
    if log_dir:
        script.log_dir = log_dir
        script._log_to(_LogFile(os.path.join(log_dir, agent_name + ".log.txt")), level)
