"""Rules that turn what was written into a checked value; each says the allowed range when it refuses (spec section 2.1).

A rule takes a text or a plain scalar, returns the value, and raises ValueError with the rest of the sentence "`key` …".
"""

import json
import re
from collections.abc import Callable

from prsd.spec.model import MiniBatchSize
from prsd.spec.problems import shown

Rule = Callable[[object], object]

INT_MAX = 2**31 - 1
LONGEST_TIMEOUT_S = 259_200
_LARGEST_SIZE = 2**63 - 1
_SIZE = re.compile(r"(\d{1,20})\s*(kb|mb|gb|rows?)?", re.IGNORECASE | re.ASCII)
_FACTORS = {"kb": 1024, "mb": 1024**2, "gb": 1024**3}
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})")
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
# Characters that v1 refused in `append_row_file_name`, and the path separator.
_BAD_IN_FILE_NAME = frozenset('~"#%&*:<>?/\\{|}')


def integer(lowest: int, highest: int = INT_MAX) -> Callable[[object], int]:
    """A whole number within a closed range."""
    span = f"[{lowest}, {'int.max' if highest == INT_MAX else highest}]"

    def rule(value: object) -> int:
        text = _text(value)
        if not _INTEGER.fullmatch(text) or not lowest <= int(text) <= highest:
            raise ValueError(f"must be a whole number in {span}, not {shown(value)}")
        return int(text)

    return rule


def number(lowest: float, highest: float) -> Callable[[object], float]:
    """A number within a closed range; fractions are allowed."""

    def rule(value: object) -> float:
        text = _text(value)
        if not _NUMBER.fullmatch(text) or not lowest <= float(text) <= highest:
            raise ValueError(f"must be a number in [{lowest:g}, {highest:g}], not {shown(value)}")
        return float(text)

    return rule


def any_number(value: object) -> float:
    """A number of any size that is written without an exponent."""
    return number(float("-inf"), float("inf"))(value)


def seconds(value: object) -> float:
    """A timeout: more than nothing, at most three days."""
    text = _text(value)
    if not _NUMBER.fullmatch(text) or not 0 < float(text) <= LONGEST_TIMEOUT_S:
        raise ValueError(f"must be a number of seconds in (0, {LONGEST_TIMEOUT_S}], not {shown(value)}")
    return float(text)


def boolean(value: object) -> bool:
    """Any case: `True` and `true` both occur in arguments; YAML 1.1's other words do in settings."""
    text = _text(value).lower()
    if text not in _TRUE | _FALSE:
        raise ValueError(f"must be True or False, not {shown(value)}")
    return text in _TRUE


def one_of(*allowed: str) -> Callable[[object], str]:
    """One of a few words; the spelling of the table is returned whatever the case that was written."""
    by_lower = {word.lower(): word for word in allowed}

    def rule(value: object) -> str:
        word = by_lower.get(_text(value).lower())
        if word is None:
            raise ValueError(f"must be one of {', '.join(allowed)}, not {shown(value)}")
        return word

    return rule


def words(value: object) -> str:
    """Any text."""
    return _text(value)


def file_name(value: object) -> str:
    """A bare file name (spec section 2.1, `--append_row_file_name`)."""
    text = _text(value)
    if not text or text in (".", "..") or len(text) > 255 or any(c in _BAD_IN_FILE_NAME or c < " " for c in text):
        raise ValueError(f'must be a file name without ~"#%&*:<>?/\\{{|}}, not {shown(value)}')
    return text


def retries_from_tries(value: object) -> int:
    """v1's `run_max_try` counts tries, v2's `max_retries` what follows the first (spec section 2.3)."""
    return integer(1)(value) - 1


def rank_count(value: object) -> int:
    """A negative number of input-less mini-batches means none (spec section 2.1)."""
    return max(0, integer(-INT_MAX)(value))


def mini_batch_size(value: object) -> MiniBatchSize:
    """`10`, `"10kb"`, `"10 kb"`, `"500 rows"`; absent and 0 mean the default (spec sections 2.2 and 12f)."""
    match = _SIZE.fullmatch(_text(value))
    if match is None:
        raise ValueError(
            "must be a number of files, or of bytes with kb, mb or gb, or of rows ('5', '10kb', '500 rows'), "
            f"not {shown(value)}"
        )
    count, unit = int(match[1]), (match[2] or "").lower()
    size = count * _FACTORS.get(unit, 1)
    if size > _LARGEST_SIZE:
        raise ValueError(f"must be less than 2^63, not {shown(value)}")
    if size == 0:
        return MiniBatchSize()
    if unit.startswith("row"):
        return MiniBatchSize(unit="rows", value=size)
    return MiniBatchSize(unit="bytes" if unit else "files_or_bytes", value=size)


def partition_keys(value: object) -> tuple[str, ...]:
    """Column names: a list, or a text holding a JSON list or names with commas (what a binding or an argument gives)."""
    names = _names(value)
    if not all(isinstance(name, str) and name for name in names):
        raise ValueError("must be a list of column names")
    if len(set(map(str, names))) < len(names):
        raise ValueError(f"names a column twice: {', '.join(map(str, names))}")
    return tuple(map(str, names))


def _names(value: object) -> list[object]:
    if isinstance(value, list):
        return [name if isinstance(name, str) or not isinstance(name, int | float) else _text(name) for name in value]
    text = _text(value).strip()
    if not text.startswith("["):
        return [name.strip() for name in text.split(",")] if text else []
    try:
        names = json.loads(text)
    except ValueError as error:
        raise ValueError(f"must be a JSON list of column names, not {shown(text)}") from error
    except RecursionError as error:
        raise ValueError("must be a JSON list of column names") from error
    return list(names)


def _text(value: object) -> str:
    """Scalars only; a mapping or list is never a number, a word or a size."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return value.strip() if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""
