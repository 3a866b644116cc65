"""Configuration files: the options of the command line as YAML."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from prs_agent import config as agent_config
from prs_agent.config_file import AgentFile
from prsd import config as daemon_config
from prsd.config_file import DaemonFile

DEPLOY = Path(__file__).parents[3] / "deploy" / "config"


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yml"
    path.write_text(text)
    return path


def test_a_file_says_what_the_command_line_would(tmp_path: Path) -> None:
    path = written(tmp_path, "data: /d\nlisten: ['127.0.0.1:1', '127.0.0.1:2']\nany_compute: true\ndisk_reserve: 2GiB\n")
    config = daemon_config.parse(["--config", str(path)])
    assert (config.data, config.listen) == (Path("/d"), ("127.0.0.1:1", "127.0.0.1:2"))
    assert (config.any_compute, config.disk_reserve_bytes) == (True, 2 << 30)


def test_the_command_line_wins(tmp_path: Path) -> None:
    path = written(tmp_path, "server: unix:/a\ncompute: c\ndata: /d\nslots: 3\nname: one\n")
    settings = agent_config.parse([f"--config={path}", "--slots", "5"])
    assert (settings.server, settings.slots, settings.name) == ("unix:/a", 5, "one")


def test_every_problem_of_a_file_is_named_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "dta: /d\nheartbeat: fast\nlog_level: TRACE\n")
    with pytest.raises(SystemExit) as ended:
        daemon_config.parse(["--config", str(path)])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert all(word in said for word in (str(path), "dta", "heartbeat", "log_level")), said


@pytest.mark.parametrize(
    ("text", "reason"), [("a: [", "is not YAML"), ("- data", "valid dictionary"), (None, "cannot be read")]
)
def test_a_file_that_is_none_is_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, reason: str
) -> None:
    path = tmp_path / "none.yml" if text is None else written(tmp_path, text)
    with pytest.raises(SystemExit):
        agent_config.parse(["--config", str(path)])
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(("name", "options"), [("prsd.yml", DaemonFile), ("prs-agent.yml", AgentFile)])
def test_the_files_to_start_from_explain_every_option(name: str, options: type[BaseModel]) -> None:
    text = (DEPLOY / name).read_text()
    uncommented = yaml.safe_load(re.sub(r"(?m)^# (?=\w+: )", "", text.partition("\n\n")[2]))
    assert set(uncommented) == set(options.model_fields)
    options.model_validate(uncommented)


@pytest.mark.parametrize(
    ("parse", "options", "not_for_files"),
    [
        (daemon_config.parse, DaemonFile, {"accept_older_log", "ready_fd", "exit_with_parent"}),
        (agent_config.parse, AgentFile, {"exit_with_parent"}),
    ],
)
def test_every_option_may_stand_in_a_file(
    monkeypatch: pytest.MonkeyPatch, parse: Callable[[list[str]], object], options: type[BaseModel], not_for_files: set[str]
) -> None:
    """But those that belong to one start alone."""
    known: set[str] = set()
    add = argparse.ArgumentParser.add_argument

    def note(self: argparse.ArgumentParser, *names: str, **how: object) -> argparse.Action:
        known.update(each.lstrip("-").replace("-", "_") for each in names if each.startswith("--"))
        return add(self, *names, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(argparse.ArgumentParser, "add_argument", note)
    with pytest.raises(SystemExit):
        parse(["--help"])
    assert known - {"help", "config"} - not_for_files == set(options.model_fields)


@pytest.mark.parametrize("module", ["prsd.config", "prs_agent.config"])
def test_who_has_no_file_does_not_pay_for_it(module: str) -> None:
    look = f"import {module}, sys; print({{'pydantic', 'yaml'}} & sys.modules.keys())"
    said = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True).stdout
    assert said.strip() == "set()"
