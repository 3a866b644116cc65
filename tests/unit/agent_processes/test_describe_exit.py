"""Return codes in words."""

import pytest

from prs_agent.processes import describe_exit


@pytest.mark.parametrize(
    ("returncode", "words"),
    [
        (0, "exit code 0"),
        (3, "exit code 3"),
        (-9, "killed by signal 9 (SIGKILL)"),
        (-11, "killed by signal 11 (SIGSEGV)"),
        (-40, "killed by signal 40"),
    ],
)
def test_words(returncode: int, words: str) -> None:
    assert describe_exit(returncode) == words
