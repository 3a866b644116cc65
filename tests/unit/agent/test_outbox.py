from __future__ import annotations

from prs_agent.ledger.outbox import Outbox, settled_ranges
from prs_agent.ledger.ranges import Range
from prs_agent.ledger.vocabulary import CommitDone, DivisionProgress, Failure, GivenBack, Phase, Results, StepId

STEP = StepId("job", "score")


def results(size_bytes: int = 9) -> Results:
    return Results(STEP, 1, 4, 3, b"u" * size_bytes, b"u" * 9, b"u" * 9)


def test_reports_are_numbered_from_1_and_kept_until_they_are_acknowledged() -> None:
    outbox = Outbox()
    outbox.add(results())
    (first,) = outbox.flush(0.0)
    outbox.add(results())
    (second,) = outbox.flush(1.0)
    assert (first.number, second.number) == (1, 2)
    assert outbox.acknowledge(1) == first
    assert outbox.acknowledge(1) is None
    assert outbox.resend(9.0, older_than_s=5.0) == [second]
    assert outbox.resend(9.5, older_than_s=5.0) == []
    outbox.acknowledge(2)
    assert outbox.is_empty


def test_a_report_stays_below_the_limit_of_a_message() -> None:
    outbox = Outbox()
    for _ in range(10):
        outbox.add(results(600_000))
    reports = outbox.flush(0.0)
    assert len(reports) == 5
    assert sum(len(report.results) for report in reports) == 10


def test_what_a_report_settles() -> None:
    outbox = Outbox()
    for item in (
        results(),
        Failure(STEP, 2, Phase.RUN, 7, "exception", "no"),
        GivenBack(3, (Range(0, 2), Range(8, 1))),
        DivisionProgress(STEP, 4, (), ended=False),
        DivisionProgress(STEP, 5, (), ended=True),
        CommitDone(STEP, 6),
    ):
        outbox.add(item)
    (report,) = outbox.flush(0.0)
    assert list(settled_ranges(report)) == [
        (1, Range(4, 3)),
        (2, Range(7, 1)),
        (3, Range(0, 2)),
        (3, Range(8, 1)),
        (5, None),
        (6, None),
    ]
