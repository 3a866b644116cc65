"""While the disk is full no divide or commit attempt begins; what waits begins when there is room."""

from __future__ import annotations

from prsd.core.events import CancelRequested, RoomNoted
from prsd.core.vocabulary import InstanceState, Phase, State
from tests.unit.core.script import Script, grants, token


def test_a_division_waits_for_room(script: Script) -> None:
    script.handle(RoomNoted(False))
    script.join("a")
    assert grants(script.submit()) == []
    (lease,) = grants(script.handle(RoomNoted(True)))
    assert lease.phase is Phase.DIVIDE


def test_a_commit_waits_for_room(script: Script) -> None:
    script.running(1, appends_rows=True)
    script.sync("a1", want=1)
    script.succeed("a1", token(2), 0)
    script.handle(RoomNoted(False))
    assert grants(script.say("a1", InstanceState.CLOSED)) == []
    assert script.job_state() is State.RUNNING
    (lease,) = grants(script.handle(RoomNoted(True)))
    assert lease.phase is Phase.COMMIT
    script.commit("a1", lease.token)
    assert script.job_state() is State.COMPLETED


def test_a_canceled_step_does_not_wait_for_room_for_its_reports(script: Script) -> None:
    script.running(1)
    script.handle(RoomNoted(False))
    script.handle(CancelRequested("job"))
    script.say("a1", InstanceState.CLOSED)
    assert script.job_state() is State.CANCELED
