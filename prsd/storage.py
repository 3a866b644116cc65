"""The daemon's data folder: where everything lies, and nothing else about it.

DATA/prsd.db               the store
DATA/prsd.sock             the local socket
DATA/snapshots/<sha256>.tar
DATA/datastore/            the built-in default datastore: outputs under azureml/<job>.<step>/<output>
DATA/jobs/<job>/<step>/    a step's storage: manifest/ segments/ attempts/ logs/
DATA/jobs/<job>/job-logs/<step>/  copies of the logs of steps that ask for it (no step's name has a hyphen)
"""

from __future__ import annotations

from pathlib import Path

from prsd.base.uris import uri_of
from prsd.core.vocabulary import StepId


class DataFolder:
    """Paths below one `--data` folder; `create` makes what must exist, readable by its owner alone."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.database = self.root / "prsd.db"
        self.socket = self.root / "prsd.sock"
        self.snapshots = self.root / "snapshots"
        self.datastore = self.root / "datastore"
        self.jobs = self.root / "jobs"

    def create(self) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.snapshots, self.datastore, self.jobs):
            folder.mkdir(exist_ok=True)

    @property
    def datastore_uri(self) -> str:
        return uri_of(self.datastore)

    def snapshot(self, digest: str) -> Path:
        return self.snapshots / f"{digest}.tar"

    def step(self, step: StepId) -> Path:
        return self.jobs / step.job / step.step

    def logs(self, step: StepId) -> Path:
        return self.step(step) / "logs"

    def job_logs(self, job: str) -> Path:
        return self.jobs / job / "job-logs"
