"""What `run()` may return, and how many items it says have succeeded (spec section 3.6)."""

from __future__ import annotations

import sys
from typing import Any


class BadReturn(Exception):  # noqa: N818  the words of the specification
    """run() returned what has no elements to count. The attempt fails and is repeated like one that raised."""


def count(returned: Any) -> int:
    """The number of returned elements: rows of a DataFrame, else len(); BadReturn for other types."""
    if isinstance(returned, (list, tuple)) or is_dataframe(returned) or _is_array(returned):
        return len(returned)
    raise BadReturn(
        "run() must return a list, a tuple, an array or a pandas DataFrame, with one element (or row) per item that "
        "succeeded; it returned %s" % _name_of(returned)
    )


def is_dataframe(returned: Any) -> bool:
    """True for a pandas DataFrame; pandas is not imported for it."""
    return _is_instance(returned, "pandas", "DataFrame")


def _is_array(returned: Any) -> bool:
    if _is_instance(returned, "numpy", "ndarray"):
        return bool(returned.ndim)  # an array of no dimension has no length
    return _is_instance(returned, "pandas", "Series")


def _is_instance(value: Any, module: str, name: str) -> bool:
    # Whoever made such a value has imported its module.
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def _name_of(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__name__)
