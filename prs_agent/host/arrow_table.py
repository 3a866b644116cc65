"""Delimited records to a DataFrame with pyarrow: the fast reader, some 150 MB a second."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any, List, Optional, Tuple

from .read_plan import ReadPlan, Table, Widened, widen_from

_OLDEST_MAJOR = 7  # before it, null spellings in quotes cannot be told apart
_CONVERSION = re.compile(r"In CSV column #(\d+): (?:Row #\d+: )?CSV conversion error to \S+?: (.*)", re.DOTALL)
# A whole field such as 0x1F, which pyarrow takes for an integer and nobody else does.
_HEXADECIMAL = re.compile(rb"(?:^|[^0-9A-Za-z])[+-]?0[xX][0-9A-Fa-f]{1,16}(?=[^0-9A-Za-z]|$)")
_modules: List[Any] = []


def _load() -> Optional[Tuple[Any, Any]]:
    """(pyarrow, pyarrow.csv), or None where they are missing or too old; looked up once."""
    if not _modules:
        try:
            pyarrow, csv = import_module("pyarrow"), import_module("pyarrow.csv")
            usable = int(str(pyarrow.__version__).split(".", maxsplit=1)[0]) >= _OLDEST_MAJOR
        except ImportError:
            usable = False
        _modules.append((pyarrow, csv) if usable else None)
    found: Optional[Tuple[Any, Any]] = _modules[0]
    return found


def read(data: bytes, plan: ReadPlan, line_count: Optional[int]) -> Optional[Table]:
    """The table of these records in UTF-8; None where pyarrow cannot read them exactly by the plan."""
    modules = _load()
    if modules is None or len(plan.delimiter) != 1:
        return None
    pyarrow, csv = modules
    dtypes = list(plan.dtypes)
    widened: Widened = {}
    if "int64" in dtypes and _may_hold_hexadecimals(data) and _HEXADECIMAL.search(data):
        return None
    if not data.endswith(b"\n"):
        data += b"\n"  # else pyarrow takes an empty last field for one in quotes when the field before it is quoted
    table = _read_widening(pyarrow, csv, data, plan, dtypes, widened)
    if table is None or (line_count is not None and table.num_rows != line_count):
        return None  # a quote that is open at the end of a line: pyarrow would join lines that division has cut
    frame = table.to_pandas()
    for name, dtype in zip(plan.names, dtypes):  # noqa: B905  zip() has no strict before 3.10
        if dtype == "nullable_bool":
            frame[name] = frame[name].astype(object)  # without a null, pandas has made it bool
    return Table(frame, widened)


def _may_hold_hexadecimals(data: bytes) -> bool:
    # One byte is found ten times as fast as two, and most data has no x at all.
    return (b"x" in data and b"0x" in data) or (b"X" in data and b"0X" in data)


def _read_widening(pyarrow: Any, csv: Any, data: bytes, plan: ReadPlan, dtypes: List[str], widened: Widened) -> Any:  # noqa: PLR0917
    """The table, after as many tries as it takes until every column has a type that holds it; None where none does."""
    while True:
        try:
            table = _read_csv(pyarrow, csv, data, plan, dtypes)
        except pyarrow.ArrowInvalid as error:
            found = _CONVERSION.search(str(error))
            if found is None or not widen_from(dtypes, int(found.group(1)), widened, _one_line(found.group(2))):
                return None
        else:
            with_nulls = [number for number, dtype in enumerate(dtypes) if _lacks_nulls(dtype, table.column(number))]
            if not with_nulls:
                return table
            for number in with_nulls:
                widen_from(dtypes, number, widened, "nulls")


def _lacks_nulls(dtype: str, column: Any) -> bool:
    """True when the column holds nulls, and pandas has none in its type."""
    return dtype in ("int64", "bool") and bool(column.null_count)


def _read_csv(pyarrow: Any, csv: Any, data: bytes, plan: ReadPlan, dtypes: List[str]) -> Any:
    types = {
        "int64": pyarrow.int64(),
        "float64": pyarrow.float64(),
        "bool": pyarrow.bool_(),
        "nullable_bool": pyarrow.bool_(),
        "string": pyarrow.string(),
        "datetime": pyarrow.timestamp("ns"),
    }
    return csv.read_csv(
        pyarrow.BufferReader(data),
        # One block and no threads: a worker has one core, and blocks would be cut by other rules than ours.
        csv.ReadOptions(column_names=list(plan.names), use_threads=False, block_size=max(len(data), 1)),
        csv.ParseOptions(delimiter=plan.delimiter, newlines_in_values=plan.spans_lines, ignore_empty_lines=True),
        csv.ConvertOptions(
            column_types={name: types[dtypes[number]] for number, name in enumerate(plan.names)},
            quoted_strings_can_be_null=False,
            null_values=sorted(plan.null_values),
            true_values=sorted(plan.true_values),
            false_values=sorted(plan.false_values),
            strings_can_be_null=not plan.empty_as_string,
        ),
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
