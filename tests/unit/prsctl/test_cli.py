"""The command line itself: words, options and what is imported."""

import subprocess
import sys

import pytest

from prsctl.arguments import seconds_of
from prsctl.cli import main, wants_json_outcome, with_repeated_set

VERBS = [
    *("run", "submit", "validate", "agent list"),
    *(
        f"job {verb}"
        for verb in [
            "create",
            "list",
            "show",
            "watch",
            "stream",
            "wait",
            "logs",
            "errors",
            "outputs",
            "cancel",
            "resume",
            "verify",
            "download",
        ]
    ),
]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*verb.split(), "--help"])
    assert ended.value.code == 0
    assert f"Usage: prsctl {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["nonsense"], ["run"], ["job", "show"], ["job", "show", "a", "-n", "b"], ["run", "--bad", "x"]]
)
def test_wrong_usage_is_2_and_leaves_stdout_empty(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


def test_help_imports_nothing_heavy() -> None:
    heavy = ["grpc", "google", "pydantic", "pyarrow", "pandas", "numpy", "yaml", "rich", "psutil"]
    code = (
        "import sys, prsctl.cli\n"
        "try: prsctl.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print([m for m in {heavy!r} if m in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stderr == "[]\n"


def test_set_takes_several_values_as_az_does() -> None:
    words = ["run", "--set", "a.b=1", "c=2", "p.yml", "--set", "d=${{x}}", "-o", "json"]
    assert with_repeated_set(words) == [
        *("run", "--set", "a.b=1", "--set", "c=2", "p.yml", "--set", "d=${{x}}", "-o", "json"),
    ]


def test_a_file_after_set_is_no_value() -> None:
    words = ["run", "--set", "a=1", "./x=y/p.yml"]
    assert with_repeated_set(words) == words


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["run", "p.yml", "-o", "json"], True),
        (["run", "p.yml", "--output", "json"], True),
        (["submit", "--output=json", "p.yml"], True),
        (["job", "create", "-ojson", "-f", "p.yml"], True),
        (["run", "p.yml"], False),
        (["run", "json"], False),
        (["job", "list", "-o", "json"], False),
    ],
)
def test_who_is_promised_a_json_outcome(words: list[str], wanted: bool) -> None:
    assert wants_json_outcome(words) is wanted


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("0.5s", 0.5), (None, None)]
)
def test_durations(text: str | None, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "5 m", "-1", "1d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(Exception, match="is no duration"):
        seconds_of(text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["submit"], "name a pipeline FILE, or a job with --resume-from"),
        (["submit", "p.yml", "--resume-from", "j"], "leave FILE, --set and --force-rerun out"),
        (["submit", "--resume-from", "j", "--set", "a=1"], "leave FILE, --set and --force-rerun out"),
    ],
)
def test_a_submission_is_either_of_a_file_or_of_a_job(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
