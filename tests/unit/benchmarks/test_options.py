from __future__ import annotations

import pytest

from benchmarks.__main__ import parse


def test_everything_is_measured_by_default() -> None:
    given = parse([])
    assert given.only == ("W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8")
    assert given.peers is None


def test_workloads_and_peers_are_lists_of_names() -> None:
    given = parse(["--only", "W1,W3", "--peers", "pool,ray"])
    assert (given.only, given.peers) == (("W1", "W3"), ("pool", "ray"))


def test_no_peers_at_all_can_be_asked_for() -> None:
    assert parse(["--peers", ""]).peers == ()


@pytest.mark.parametrize(("option", "known"), [("--only", "W8"), ("--peers", "spark")])
def test_an_unknown_name_is_refused_with_the_known_ones(option: str, known: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([option, "W9,nobody"])
    message = capsys.readouterr().err
    assert "nobody" in message
    assert known in message
