"""Which commit lease is current, from what is said to agents."""

from __future__ import annotations

from prsd.core import commands
from prsd.core.vocabulary import Lease, Phase, Range, StepId
from prsd.rpc.sessions import CommitLeases, Session

STEP = StepId("j", "score")


def granted(token: int, session: str = "s1", phase: Phase = Phase.COMMIT) -> commands.Grant:
    return commands.Grant(session, Lease(token, STEP, phase, 0, 1, 1))


def test_the_last_granted_commit_lease_is_current() -> None:
    leases = CommitLeases()
    leases.note(granted(5), None)
    leases.note(granted(6, phase=Phase.RUN), None)
    assert leases.is_current(STEP, 5)
    leases.note(granted(7), None)
    assert not leases.is_current(STEP, 5)
    assert leases.is_current(STEP, 7)


def test_a_revoked_lease_and_those_of_a_dismissed_session_are_over() -> None:
    leases = CommitLeases()
    leases.note(granted(5), None)
    leases.note(commands.Revoke("s1", 5, (Range(0, 1),)), None)
    assert not leases.is_current(STEP, 5)
    leases.note(granted(6), None)
    leases.note(commands.Dismiss("s2", "lost"), None)
    assert leases.is_current(STEP, 6)
    leases.note(commands.Dismiss("s1", "lost"), None)
    assert not leases.is_current(STEP, 6)


def test_welcome_adopts_what_it_keeps_and_ends_what_it_does_not() -> None:
    leases = CommitLeases()
    session = Session("s2", "agent", "1", {5: STEP})
    leases.note(commands.Welcome("s2", kept=(5,)), session)
    assert leases.is_current(STEP, 5)
    leases.note(commands.Welcome("s3"), Session("s3", "agent", "1", {5: STEP}))
    assert not leases.is_current(STEP, 5)
