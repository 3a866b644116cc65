"""The read plan of a table: how its records become columns, the same for every mini-batch (spec section 12 d).

Column types are fixed by the plan. A value that the inference missed widens its column in its own mini-batch alone, int64 to
float64 to string.
"""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, List, NamedTuple, Tuple

from .failures import LoadError
from .texts import codec_of

# "nullable_bool" is a column of objects: True, False and None.
WIDER = {"int64": "float64", "float64": "string", "bool": "nullable_bool", "nullable_bool": "string", "datetime": "string"}
_DTYPES = {*WIDER, "string", "object"}


Widened = Dict[int, Tuple[str, str]]  # number of a column: the type that it has now, and why


class ReadPlan(NamedTuple):
    """How the records of a table become columns; the same for every mini-batch."""

    names: Tuple[str, ...]
    dtypes: Tuple[str, ...]  # of `WIDER`, or "string"; from JSON also "object": values as they are
    delimiter: str = ","
    codec: str = "utf-8"
    null_values: FrozenSet[str] = frozenset(("",))
    empty_as_string: bool = False  # an empty text column holds "", not a null
    has_path_column: bool = False
    is_strict: bool = False
    spans_lines: bool = False  # a quoted field may hold line feeds
    drops_invalid_lines: bool = False  # of JSON
    true_values: FrozenSet[str] = frozenset(("1", "t", "T", "true", "True", "TRUE"))
    false_values: FrozenSet[str] = frozenset(("0", "f", "F", "false", "False", "FALSE"))

    @classmethod
    def parse(cls, plan: Dict[str, Any], strict_types: bool = False) -> ReadPlan:
        """The plan in a manifest's header; LoadError for what this host cannot do exactly."""
        columns = plan.get("columns") or []
        unknown = sorted({column["dtype"] for column in columns} - _DTYPES)
        if unknown or not columns:
            raise LoadError(
                "the read plan has columns of unknown type: %s" % (", ".join(unknown) or "none at all"), permanent=True
            )
        name = str(plan.get("encoding") or "utf8").lower()
        try:
            codec = codec_of(name)
        except LookupError as error:
            raise LoadError("this interpreter cannot decode %r" % name, permanent=True) from error
        given: Dict[str, Any] = {key: frozenset(plan[key]) for key in ("true_values", "false_values") if key in plan}
        return cls(
            names=tuple(str(column["name"]) for column in columns),
            dtypes=tuple(str(column["dtype"]) for column in columns),
            delimiter=str(plan.get("delimiter") or ","),
            codec=codec,
            null_values=frozenset(plan.get("null_values", ("",))),
            empty_as_string=bool(plan.get("empty_as_string")),
            has_path_column=bool(plan.get("include_path_column")),
            is_strict=strict_types or bool(plan.get("strict_types")),
            spans_lines=bool(plan.get("support_multi_line")),
            drops_invalid_lines=bool(plan.get("drops_invalid_lines")),
            **given,
        )

    def only(self, names: List[str]) -> ReadPlan:
        """The plan of a file that has these of the table's columns, in this order."""
        dtypes = dict(zip(self.names, self.dtypes))  # noqa: B905  zip() has no strict before 3.10
        return self._replace(names=tuple(names), dtypes=tuple(dtypes[name] for name in names))


class Table(NamedTuple):
    """A DataFrame, and which of its columns were widened."""

    frame: Any
    widened: Widened


def widen_from(dtypes: List[str], number: int, widened: Widened, reason: str) -> bool:
    """Gives a column its next wider type; False when text is already what it is."""
    wider = WIDER.get(dtypes[number])
    if wider is None:
        return False
    first_reason = widened[number][1] if number in widened else reason
    dtypes[number] = wider
    widened[number] = (wider, first_reason)
    return True
