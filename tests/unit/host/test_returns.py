"""What run() may return (spec section 3.6, statements 66 and 72)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from prs_agent.host.returns import BadReturn, count


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ([], 0),
        ([1, None], 2),
        ((1, 2, 3), 3),
        (pd.DataFrame({"a": [1, 2]}), 2),
        (pd.DataFrame(), 0),
        (pd.Series([1, 2, 3]), 3),
        (np.zeros((4, 2)), 4),
    ],
    ids=lambda value: type(value).__name__,
)
def test_elements_are_counted(returned: object, expected: int) -> None:
    assert count(returned) == expected


@pytest.mark.parametrize(
    ("returned", "name"),
    [
        (None, "NoneType"),
        ("text", "str"),
        ({"a": 1}, "dict"),
        (3, "int"),
        ({1}, "set"),
        ((each for each in [1]), "generator"),
        (np.array(1), "numpy.ndarray"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_66_anything_else_is_refused_by_the_name_of_its_type(returned: object, name: str) -> None:
    with pytest.raises(BadReturn, match=f"it returned {name}$"):
        count(returned)
