"""Statement 79, and everything else that agents may do: come, vanish, be back, leave, hold more than others."""

from __future__ import annotations

from prsd.core.commands import Acknowledge, Close, Dismiss, Grant, Open, Revoke, TakeBack, Welcome
from prsd.core.events import AgentJoined, AgentLeft, AgentSynced, CancelRequested, Stalled, StreamEnded
from prsd.core.facts import ResultsRecorded, SessionClosed, SessionOpened
from prsd.core.vocabulary import CoreSettings, HeldLease, InstanceState, Phase, Range, State, StepId, Want
from tests.unit.core.script import STEP, Script, effects, facts, grants, opens, parallel, part, revokes, spans, token


def held(number: int, *ranges: Range, incarnation: int = 1, phase: Phase = Phase.RUN) -> HeldLease:
    return HeldLease(token(number, incarnation), STEP, phase, ranges)


def test_79_the_other_agent_finishes_everything_once(script: Script) -> None:
    script.running(4, agents="ab")
    script.sync("a1", want=1)
    script.sync("b1", want=1)
    script.now = 14.0
    script.sync("b1", held=(token(3),), want=1)
    assert effects(script.wait(2)) == [Dismiss("a1", "nothing was heard from a for 15 s")]
    script.succeed("b1", token(3), 1)
    for number, index in ((4, 0), (5, 2), (6, 3)):
        assert spans(script.sync("b1", want=1)) == [(index, 1, 1 if index else 2)]
        script.succeed("b1", token(number), index)
    assert script.finish("b1") is State.COMPLETED
    recorded = [fact.results.first for fact in script.log if isinstance(fact, ResultsRecorded)]
    assert recorded == [1, 0, 2, 3]


def test_a_late_result_is_accepted_and_the_running_copy_revoked(script: Script) -> None:
    script.running(4, agents="ab")
    script.sync("a1", want=2)
    script.now = 10.0
    script.sync("b1")
    script.wait(6)
    assert spans(script.sync("b1", want=1)) == [(0, 1, 2)]
    script.join("a", "a2")
    commands = script.succeed("a2", token(2), 0)
    assert len(facts(commands)) == 1
    assert effects(commands)[:2] == [Revoke("b1", token(3), (Range(0, 1),)), Acknowledge("a2", 2)]
    assert spans(commands) == [(1, 1, 1)]  # b has room again
    assert facts(script.succeed("b1", token(3), 0)) == []  # the first durable result wins


def test_a_result_under_a_token_that_was_never_issued_is_refused(script: Script) -> None:
    script.running(4, agents="ab")
    script.sync("a1", want=2)
    assert facts(script.succeed("a1", token(99), 0)) == []
    assert facts(script.succeed("a1", token(1), 0)) == []  # the divide lease
    assert facts(script.succeed("a1", token(2), 2)) == []  # not in its range
    assert facts(script.succeed("b1", token(2), 0)) == []  # another agent's
    assert facts(script.succeed("a1", token(2, incarnation=2), 0)) == []
    assert facts(script.succeed("a1", token(2), 0, 4))[0].results.count == 1  # type: ignore[union-attr]


def test_a_lease_that_the_agent_has_seen_and_does_not_hold_is_free(script: Script) -> None:
    script.running(8)
    script.sync("a1", want=2)
    assert spans(script.sync("a1", seen=token(1), want=2)) == []  # on its way
    assert spans(script.sync("a1", seen=token(2), want=2)) == [(0, 2, 1)]


def test_indexes_given_back_are_free_and_keep_their_attempt_number(script: Script) -> None:
    script.running(8)
    script.sync("a1", want=4)
    script.give_back("a1", token(2), Range(2, 2), Range(7, 1))
    script.give_back("a1", token(2), Range(2, 2))
    assert script.step().running == 2
    assert spans(script.sync("a1", held=(token(2),), want=4)) == [(2, 2, 1)]


def test_goodbye_frees_without_a_loss(script: Script) -> None:
    script.running(8, agents="ab")
    script.sync("a1", want=2)
    assert facts(script.handle(AgentLeft("a1"))) == [SessionClosed("a1")]
    assert spans(script.sync("b1", want=2)) == [(0, 2, 1)]


def test_a_draining_agent_gets_nothing_new(script: Script) -> None:
    script.running(8)
    script.join("b")
    wants = (Want(STEP, 4, 1),)
    commands = script.handle(AgentSynced("a1", (), 0, wants, draining=True))
    assert effects(commands) == [Open("b1", STEP, 1, 1)]


def test_a_short_break_costs_nothing(script: Script) -> None:
    script.running(8)
    script.sync("a1", want=2)
    assert script.handle(StreamEnded("a1")) == []
    commands = script.join("a", "a2", held=(held(2, Range(0, 2)),), open_steps=(STEP,))
    assert facts(commands) == [SessionOpened("a2", "a", "a-boot"), SessionClosed("a1")]
    assert effects(commands) == [Welcome("a2", kept=(token(2),))]
    assert len(facts(script.succeed("a2", token(2), 0, 2))) == 1


def test_a_new_stream_replaces_the_one_before(script: Script) -> None:
    script.join("a")
    assert effects(script.join("a", "a2")) == [
        Dismiss("a1", "replaced by a new session of the same agent process"),
        Welcome("a2"),
    ]


def test_what_the_boot_does_not_hold_any_more_is_free(script: Script) -> None:
    script.running(16)
    script.sync("a1", want=4)
    script.handle(StreamEnded("a1"))
    script.join("a", "a2", held=(held(2, Range(1, 1)),), open_steps=(STEP,))
    assert script.step().running == 1
    assert spans(script.sync("a2", held=(token(2),), want=3)) == [(0, 1, 1), (2, 1, 1)]


def test_what_others_have_settled_meanwhile_is_revoked(script: Script) -> None:
    script.running(8)
    script.sync("a1", want=3)
    script.succeed("a1", token(2), 0)
    script.handle(StreamEnded("a1"))
    commands = script.join("a", "a2", held=(held(2, Range(0, 3)),), open_steps=(STEP,))
    assert effects(commands) == [Welcome("a2", (token(2),)), Revoke("a2", token(2), (Range(0, 1),))]


def test_a_step_that_should_not_be_open_is_closed(script: Script) -> None:
    other = StepId("gone", "step")
    assert effects(script.join("a", open_steps=(other,))) == [Welcome("a1"), Close("a1", other, kill=True)]


def test_an_instance_that_the_boot_does_not_know_is_opened_again(script: Script) -> None:
    script.running(8)
    script.handle(StreamEnded("a1"))
    assert opens(script.join("a", "a2")) == [Open("a2", STEP, 1, 1)]


def test_another_boot_of_the_same_name_is_another_agent(script: Script) -> None:
    script.running(8)
    script.sync("a1", want=2)
    commands = script.handle(AgentJoined("x1", "a", "other-boot", "", 1, held=(held(2, Range(0, 2)),)))
    assert effects(commands)[0] == Welcome("x1", kept=())
    assert len(script.core.agent_views()) == 2


def test_an_idle_agent_gets_the_unstarted_part_of_another(script: Script) -> None:
    script.running(8, agents="ab")
    script.sync("a1", want=100)
    for number in range(3, 8):
        script.sync("a1", held=tuple(token(n) for n in range(2, number)), want=100)
    assert script.step().running == 8
    # Of equal leases the newest, which is the least likely to be started: here that of mini-batches 2 and 3.
    assert script.sync("b1", want=2) == [TakeBack("a1", token(3))]
    assert script.sync("b1", want=2) == []  # not twice in a row
    assert spans(script.give_back("a1", token(3), Range(3, 1))) == [(3, 1, 1)]


def test_a_lease_of_one_is_not_taken_back(script: Script) -> None:
    script.running(1, agents="ab")
    script.sync("a1", want=1)
    assert script.sync("b1", want=2) == []


def test_a_step_grows_as_agents_join_and_to_no_more_than_it_asks_for(script: Script) -> None:
    script.submit(parallel(instance_count=2))
    assert opens(script.join("a")) == [Open("a1", STEP, 1, 0)]
    assert opens(script.join("b")) == [Open("b1", STEP, 1, 1)]
    assert opens(script.join("c")) == []


def test_an_instance_gets_the_slots_that_are_free(script: Script) -> None:
    script.join("a", slots=4)
    script.submit(parallel(workers_per_instance=3), job="one")
    commands = script.submit(parallel(workers_per_instance=3), job="two")
    assert opens(commands) == [Open("a1", StepId("two", "step"), 1, 0)]
    commands = script.submit(parallel(workers_per_instance=3), job="three")
    assert opens(commands) == []
    assert [lease.phase for lease in grants(commands)] == [Phase.DIVIDE]  # takes no slot


def test_a_stall_of_the_daemon_moves_every_deadline(script: Script) -> None:
    script.running(8, progress_update_timeout_s=20.0)
    script.sync("a1", want=1)
    script.now = 30.0
    script.handle(Stalled(29.0))
    assert script.core.next_deadline() == 44.0
    assert script.wait(13) == []


def test_a_lost_divide_attempt_goes_on_elsewhere_with_the_recorded_parts(script: Script) -> None:
    script.join("a")
    script.submit()
    script.divide("a1", part(0, 5), ended=False)
    script.join("b")
    script.now = 10.0
    script.sync("b1")
    commands = script.wait(6)
    assert [(grant.lease.phase, grant.parts) for grant in commands if isinstance(grant, Grant)] == [
        (Phase.DIVIDE, (part(0, 5),))
    ]


def test_a_divide_attempt_that_takes_agent_after_agent_with_it_ends() -> None:
    script = Script(CoreSettings(loss_limit=2))
    script.submit()
    script.join("a")
    script.wait(16)
    script.join("b")
    script.wait(16)
    assert "2 agents were lost during the divide" in script.step().reason


def test_after_a_restart_leases_are_adopted_and_the_rest_is_held_back(script: Script) -> None:
    script.running(8, agents="ab")
    script.sync("a1", want=2)
    script.sync("b1", want=2)
    script.restart()
    commands = script.join("a", "a2", held=(held(2, Range(0, 2)),), open_steps=(STEP,))
    assert Welcome("a2", kept=(token(2),)) in commands
    assert script.step().running == 2
    assert spans(script.sync("a2", held=(token(2),), want=4)) == []  # 2 and 3 may run on b
    script.now = 14.0
    script.sync("a2", held=(token(2),), want=4)
    commands = script.wait(2)  # b does not come back
    assert SessionClosed("b1") in facts(commands)
    assert spans(commands) == [(2, 2, 1)]


def test_a_failure_whose_charge_outlived_its_acknowledgement_is_not_charged_again(script: Script) -> None:
    script.running(8, max_retries=2)
    script.sync("a1", want=2)
    script.fail("a1", token(2), 1)
    script.restart()
    script.join("a", "a2", held=(held(2, Range(0, 2)),), open_steps=(STEP,))
    commands = script.fail("a2", token(2), 1)  # told again: it had heard of no acknowledgement
    assert facts(commands) == []
    granted = [span for _ in range(6) for span in spans(script.sync("a2", held=(token(2),), want=8))]
    assert [attempt for first, _, attempt in granted if first == 1] == [2]


def test_after_a_restart_a_step_that_nobody_was_asked_to_open_is_not_adopted(script: Script) -> None:
    script.join("a")
    script.restart()
    script.submit()
    commands = script.join("a", "a2", open_steps=(STEP,))
    assert Close("a2", STEP, True) in commands
    script.handle(CancelRequested("job"))
    script.sync("a2")  # an instance that had outlived its step made this fail
    assert script.job_state() in (State.CANCEL_REQUESTED, State.CANCELED)


def test_after_a_restart_what_was_never_granted_goes_out_at_once() -> None:
    script = Script(CoreSettings(reserve_ahead=4))
    script.running(100, agents="ab")
    script.sync("a1", want=2)
    script.restart()
    script.join("a", "a2", held=(held(2, Range(0, 2)),), open_steps=(STEP,))
    assert spans(script.sync("a2", held=(token(2),), want=4)) == [(4, 2, 1)]


def test_after_a_restart_results_of_the_life_before_are_accepted(script: Script) -> None:
    script.running(8)
    script.sync("a1", want=2)
    script.restart()
    script.join("a", "a2")
    assert len(facts(script.succeed("a2", token(2), 0, 2))) == 1


def test_after_a_restart_an_ending_step_still_waits_for_its_instances(script: Script) -> None:
    script.running(1, appends_rows=True)
    script.sync("a1", want=1)
    script.succeed("a1", token(2), 0)
    script.restart()
    assert script.step().state is State.FINALIZING
    assert effects(script.join("a", "a2", open_steps=(STEP,))) == [Welcome("a2"), Close("a2", STEP, kill=False)]
    assert [lease.phase for lease in grants(script.say("a2", InstanceState.CLOSED))] == [Phase.COMMIT]


def test_no_command_follows_from_an_unknown_session(script: Script) -> None:
    script.running(8)
    assert script.sync("nobody", want=5) == []
    assert script.succeed("nobody", token(2), 0) == []
    assert script.handle(AgentLeft("nobody")) == []
    assert script.say("nobody", InstanceState.READY) == []
    assert revokes(script.handle(StreamEnded("nobody"))) == []


def test_after_a_restart_no_commit_begins_while_an_instance_may_still_be_closing(script: Script) -> None:
    script.running(1, agents="a", appends_rows=True)
    script.join("b")
    script.sync("a1", want=1)
    script.succeed("a1", token(2), 0)
    script.restart()
    assert effects(script.join("b", "b2")) == [Welcome("b2")]
    script.now = 14.0
    script.sync("b2")
    assert [lease.phase for lease in grants(script.wait(2))] == [Phase.COMMIT]  # a does not come back


def test_after_a_restart_an_instance_keeps_its_node_number_and_workers(script: Script) -> None:
    script.running(50, agents="a", instance_count=2)
    script.restart()
    script.handle(AgentJoined("a2", "a", "a-boot", "", 4, (), (STEP,), open_nodes=(5,), open_workers=(3,)))
    (agent,) = script.core.agent_views()
    assert agent.free_slots == 1
    assert opens(script.join("b")) == [Open("b1", STEP, 1, node=6)]


def test_after_a_restart_a_step_grows_only_where_no_awaited_agent_can_have_it_open(script: Script) -> None:
    script.running(50, agents="a", instance_count=1)
    script.restart()
    assert opens(script.join("b")) == []
    assert opens(script.wait(14.9)) == []
    script.sync("b1")
    assert opens(script.wait(1)) == [Open("b1", STEP, 1, 0)]


def test_after_a_restart_a_lease_of_a_step_that_is_not_open_is_not_adopted(script: Script) -> None:
    script.running(8)
    script.sync("a1", want=2)
    script.restart()
    assert Welcome("a2", kept=()) in script.join("a", "a2", held=(held(2, Range(0, 2)),))
    assert len(facts(script.succeed("a2", token(2), 0, 2))) == 1  # finished before: accepted without a lease


def test_a_step_that_was_closing_is_closed_again_when_the_boot_is_back(script: Script) -> None:
    script.running(1)
    script.sync("a1", want=1)
    script.succeed("a1", token(2), 0)
    script.handle(StreamEnded("a1"))
    assert effects(script.join("a", "a2", open_steps=(STEP,))) == [Welcome("a2"), Close("a2", STEP, kill=False)]


def test_an_agent_without_a_stream_is_asked_for_nothing_new(script: Script) -> None:
    script.join("a")
    script.handle(StreamEnded("a1"))
    assert effects(script.submit()) == []
    commands = script.join("b")
    assert opens(commands) == [Open("b1", STEP, 1, 0)]
    assert [lease.phase for lease in grants(commands)] == [Phase.DIVIDE]


def test_work_that_comes_up_while_the_stream_is_broken_waits_or_goes_to_others(script: Script) -> None:
    script.running(2, agents="ab", max_retries=5)
    script.sync("a1", want=2)
    script.sync("b1", want=2)
    script.handle(StreamEnded("a1"))
    assert spans(script.fail("b1", token(3), index=1)) == [(1, 1, 2)]
    assert script.sync("b1", held=(token(4),), want=2) == []
