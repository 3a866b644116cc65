"""Nothing of an earlier lineage's attempts reaches the core."""

from __future__ import annotations

from prsd.core.events import AgentJoined, AttemptsReported
from prsd.core.vocabulary import CommitDone, GivenBack, HeldLease, Phase, Range, StepId
from prsd.rpc.earlier import without_earlier_attempts, without_earlier_leases

STEP = StepId("j", "score")
FIRST = 70_000 << 32


def test_leases_of_an_earlier_lineage_are_not_listed() -> None:
    old, new = (HeldLease(token, STEP, Phase.RUN, (Range(0, 5),)) for token in (FIRST - 1, FIRST))
    joined = AgentJoined("s", "agent", "boot", "cpu", 2, held=(old, new))
    assert without_earlier_leases(joined, FIRST).held == (new,)
    assert without_earlier_leases(joined, 0) == joined


def test_a_report_keeps_its_number_and_loses_what_is_earlier() -> None:
    commits = tuple(CommitDone(STEP, token, 1, "", 1) for token in (5, FIRST + 1))
    report = AttemptsReported("s", 3, commits=commits, given_back=(GivenBack(7, (Range(0, 1),)),))
    assert without_earlier_attempts(report, FIRST) == AttemptsReported("s", 3, commits=commits[1:])
    assert without_earlier_attempts(report, 0) == report
