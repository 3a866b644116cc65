"""One run: a fleet, a job, faults, healing, the verdict."""

from __future__ import annotations

import shutil
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.client import Client, StuckError
from tests.chaos.disk import can_mount
from tests.chaos.entry_script import DIES_ONCE, FAILS_ALWAYS, FAILS_ONCE
from tests.chaos.evidence import Evidence, read_evidence
from tests.chaos.faults import Plan, plan
from tests.chaos.fleet import Fleet
from tests.chaos.judge import ROW_FINDINGS, Finding, judge
from tests.chaos.workload import Workload

SUBMIT_TIMEOUT_S = 60.0
END_TIMEOUT_S = 120.0


@dataclass
class Verdict:
    """What came of a run. `findings` is empty when all is well; the folder is kept when it is not."""

    plan: Plan
    folder: Path
    findings: list[Finding] = field(default_factory=list)
    struck: list[str] = field(default_factory=list)
    evidence: Evidence = field(default_factory=Evidence)
    is_changed: bool = False
    state: str = ""
    is_proven: bool = False  # what `prsctl job verify` says
    exits: Mapping[str, list[int]] = field(default_factory=dict)
    took_s: float = 0.0


def run(
    seed: int,
    mini_batches: int,
    folder: Path | None = None,
    keep: bool = False,
) -> Verdict:
    """Run the job of a seed with the faults of the seed. The folder is removed when all is well, unless `keep`."""
    planned = plan(seed, mini_batches, can_mount())
    workload = Workload(seed, mini_batches, planned.agents, planned.is_of_files, planned.spare)
    return run_planned(planned, workload, folder, keep)


def run_planned(
    planned: Plan,
    workload: Workload,
    folder: Path | None = None,
    keep: bool = False,
    prefixes: dict[str, Sequence[str]] | None = None,
) -> Verdict:
    """As `run`, for any plan and job; `prefixes` go before the first command of programs."""
    # Short, because the path of a socket has 107 bytes at most.
    folder = folder or Path(tempfile.mkdtemp(prefix="prs-chaos-"))
    verdict = Verdict(planned, folder)
    started = time.monotonic()
    fleet = Fleet(folder, planned, prefixes)
    try:
        job = _drive(fleet, planned, workload, verdict)
        fleet.stop()
        _judge(verdict, workload, job)
    except Exception:
        verdict.findings.append(Finding("process", traceback.format_exc()))
    finally:
        fleet.stop()
        verdict.findings += [Finding("process", f"left over: {left}") for left in fleet.left_over()]
        verdict.struck = [fault.kind for fault in fleet.struck]
        verdict.exits = {program.name: program.exits for program in fleet.programs if program.exits}
        keep = keep or bool(verdict.findings)
        fleet.close(keep)
    verdict.took_s = time.monotonic() - started
    if not keep:
        shutil.rmtree(folder)
    return verdict


def _drive(fleet: Fleet, planned: Plan, workload: Workload, verdict: Verdict) -> dict[str, Any] | None:
    """The job as the client shows it at its end; None when it did not end."""
    pipeline = workload.write(fleet.folder / "pipeline")
    is_planned = False

    def tick() -> None:
        nonlocal is_planned
        if not is_planned and any((fleet.folder / "daemon" / "jobs").glob("*")):
            fleet.plan(planned.faults)
            is_planned = True
        fleet.tick()

    client = Client(fleet.folder, tick)
    try:
        while not (fleet.folder / "d.sock").exists():
            tick()
        client.submit(pipeline, SUBMIT_TIMEOUT_S)
        client.wait(END_TIMEOUT_S, deadline_moves=lambda: not fleet.is_calm)
        fleet.heal()
        job = client.show(END_TIMEOUT_S)
        verdict.is_proven = client.verify(END_TIMEOUT_S)
        return job
    except StuckError as error:
        verdict.findings.append(Finding("stuck", str(error)))
        return None


def _judge(verdict: Verdict, workload: Workload, job: dict[str, Any] | None) -> None:
    verdict.evidence = read_evidence(verdict.folder / "daemon")
    expected_retries = sum(len(workload.indexes_of(fate)) for fate in (FAILS_ALWAYS, FAILS_ONCE, DIES_ONCE))
    verdict.is_changed = verdict.evidence.is_changed(expected_retries)
    if job is None:
        return
    verdict.state = job["state"]
    output = job["steps"][0]["outputs"].get("rows")
    published = Path(output) if output else None
    data = published.read_bytes() if published and published.is_file() else None
    verdict.findings += judge(workload.expectation(verdict.evidence.excused), job, data)
    are_rows_right = not any(finding.kind in ROW_FINDINGS for finding in verdict.findings)
    if verdict.is_proven != are_rows_right:
        said = "proves" if verdict.is_proven else "does not prove"
        verdict.findings.append(Finding("verify", f"`job verify` {said} the job, and the judge disagrees"))
