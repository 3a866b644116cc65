"""Exceptions of user code in words (spec section 3.6, statements 54 and 78)."""

from __future__ import annotations

import argparse

import pytest

from prs_agent.host import failures
from prs_agent.host.standins.azureml.exceptions import ParallelRunException, Retry


def _caught(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("bad pixel"), "ValueError: bad pixel"),
        (ValueError(), "ValueError"),
        (KeyError("k"), "KeyError: 'k'"),
        (RuntimeError("two\n lines"), "RuntimeError: two lines"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_one_line_for_people(error: BaseException, line: str) -> None:
    assert failures.describe(error) == line


def test_an_exception_that_cannot_be_shown_is_described_all_the_same() -> None:
    class Broken(Exception):  # noqa: N818
        def __str__(self) -> str:
            raise RuntimeError("no text")

    error = _caught(Broken())
    assert failures.describe(error) == "Broken: (its text cannot be shown)"
    assert "Broken" in failures.format_traceback(error)


def test_long_messages_and_tracebacks_are_cut() -> None:
    error = _caught(ValueError("x" * 100_000))
    assert len(failures.describe(error)) == failures.MESSAGE_LIMIT
    text = failures.format_traceback(error)
    assert len(text.encode()) <= failures.TRACEBACK_LIMIT
    assert text.startswith("Traceback")


def test_the_cause_of_an_exception_is_in_its_traceback() -> None:
    def fail() -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error

    with pytest.raises(ValueError, match="outer") as caught:
        fail()
    text = failures.format_traceback(caught.value)
    assert text.index("inner") < text.index("outer")


def test_54_an_exit_by_argparse_says_what_to_do() -> None:
    with pytest.raises(SystemExit) as caught:
        argparse.ArgumentParser().parse_args(["--logging_level", "INFO"])
    line = failures.describe(caught.value)
    assert "parse_known_args" in line
    assert "unrecognized arguments: --logging_level INFO" in line
    assert failures.is_argparse_exit(caught.value)
    assert not failures.is_argparse_exit(_caught(SystemExit(2)))


@pytest.mark.parametrize(
    ("code", "permanent", "directive"),
    [
        (Retry.NoRetry, True, None),
        (Retry.RestartProcess, False, "restart_process"),
        (Retry.StopProcess, False, "stop_process"),
        (Retry.Sleep, False, {"sleep_s": 2.5}),
    ],
)
def test_78_a_parallel_run_exception_steers(code: Retry, permanent: bool, directive: object) -> None:
    error = ParallelRunException("m", code, 2.5)
    assert failures.is_permanent(error) is permanent
    assert failures.directive_of(error) == directive


def test_78_the_class_is_known_by_name_and_codes_in_any_spelling() -> None:
    other = type("ParallelRunException", (Exception,), {"code": "Retry.NO_RETRY"})()
    assert failures.is_permanent(other)


def test_other_exceptions_ask_for_nothing() -> None:
    error = ValueError("x")
    error.code = "NoRetry"  # type: ignore[attr-defined]
    assert not failures.is_permanent(error)
    assert failures.directive_of(error) is None


def test_a_delay_that_is_no_number_is_none() -> None:
    assert failures.directive_of(ParallelRunException("m", Retry.Sleep, "soon")) == {"sleep_s": 0.0}  # type: ignore[arg-type]
