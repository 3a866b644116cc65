from __future__ import annotations

import os

import pytest

from prs_agent.config import AgentSettings, parse


def settings(**given: str) -> AgentSettings:
    options = {"server": "localhost:7000", "compute": "local", "data": "/tmp/agent", **given}
    return parse([word for name, value in options.items() for word in (f"--{name}", value)])


def refusal(capsys: pytest.CaptureFixture[str], **given: str) -> str:
    with pytest.raises(SystemExit) as ended:
        settings(**given)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_defaults() -> None:
    assert settings().slots == len(os.sched_getaffinity(0))
    assert settings().name
    assert settings().drain_timeout_s == 30


@pytest.mark.parametrize("server", ["unix:/run/prsd.sock", "10.0.0.1:7000", "[::1]:7000", "host.example:1"])
def test_addresses(server: str) -> None:
    assert settings(server=server).server == server


@pytest.mark.parametrize("server", ["host", "host:", ":7000", "unix:", "host:port"])
def test_what_is_no_address_is_refused(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--server" in refusal(capsys, server=server)


def test_the_environment_gives_what_the_command_line_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRS_AGENT_SLOTS", "7")
    assert settings().slots == 7
    assert settings(slots="3").slots == 3


def test_a_bad_value_in_the_environment_is_refused_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRS_AGENT_SLOTS", "many")
    assert "--slots" in refusal(capsys)


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "x" * 200])
def test_a_name_that_cannot_be_part_of_a_file_name_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--name" in refusal(capsys, name=name)
