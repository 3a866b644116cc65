"""Which arguments run() gets (spec section 3.1, statement 51)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from prs_agent.host.entry_script import takes_context
from prs_agent.host.failures import StartError


class _Scorer:
    def run(self, mini_batch: object, context: object) -> list[object]:
        return []


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (lambda mini_batch: [], False),
        (lambda mini_batch, context: [], True),
        (lambda anything, whatever=None: [], True),
        (lambda mini_batch, context, more=1: [], True),
        (lambda *mini_batches: [], False),
        (lambda mini_batch, *others: [], False),
        (lambda mini_batch, *, option=1: [], False),
        (_Scorer().run, True),
        (functools.partial(lambda model, mini_batch: [], 1), False),
        (len, False),
    ],
)
def test_51_a_second_positional_parameter_gets_the_context(run: Callable[..., Any], expected: bool) -> None:
    assert takes_context(run) is expected


@pytest.mark.parametrize("run", [lambda: None, lambda a, b, c: [], lambda mini_batch, *, option: []])
def test_a_run_that_cannot_be_called_is_refused(run: Callable[..., Any]) -> None:
    with pytest.raises(StartError, match=r"cannot be called as run\(mini_batch\)") as caught:
        takes_context(run)
    assert caught.value.permanent
