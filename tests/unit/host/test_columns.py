"""The host's packed columns are those of prsd.base, byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prs_agent.host import columns
from prsd.base.columns import Column

values = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 300), max_size=50)


@given(values)
@example([])
@example([5, 5, 5])
@example([0, 255])
@example([0, 256])
@example([0, 2**64 - 1])
def test_the_stored_form_is_that_of_the_base(numbers: list[int]) -> None:
    stored = columns.encode(numbers)
    assert stored == Column.of(numbers).to_bytes()
    assert columns.decode(stored, len(numbers)) == numbers
    assert columns.total(stored, len(numbers)) == sum(numbers)


@pytest.mark.parametrize("numbers", [[-1, 2], [0, 2**64]])
def test_numbers_out_of_range_are_refused(numbers: list[int]) -> None:
    with pytest.raises(ValueError, match="integers from 0"):
        columns.encode(numbers)


@pytest.mark.parametrize("stored", [b"", b"x123", b"u1", b"B1", b"H1"])
def test_what_is_no_column_is_refused(stored: bytes) -> None:
    with pytest.raises(ValueError, match=r"packed column|repeated column"):
        columns.decode(stored, 2)
