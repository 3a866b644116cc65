"""Rows of Parquet files to DataFrames, by the schema that division has made for the whole table (spec section 12 e).

A piece is a range of rows. The row groups that hold it are read, and the last one that was decoded is kept: pieces of a row
group that division has sliced follow each other in one worker.
"""

from __future__ import annotations

from base64 import b64decode
from importlib import import_module
from typing import Any, Dict, List, Optional, Tuple

from .failures import LoadError


class ParquetReader:
    """Reads the files of one table; LoadError where the interpreter has no pyarrow."""

    def __init__(self, plan: Dict[str, Any]) -> None:
        try:
            self._pyarrow = import_module("pyarrow")
            self._parquet = import_module("pyarrow.parquet")
        except ImportError as error:
            message = "the input is Parquet, so the environment of the entry script needs pyarrow: %s"
            raise LoadError(message % error, permanent=True) from error
        self._schema = self._pyarrow.ipc.read_schema(self._pyarrow.BufferReader(b64decode(plan["schema_b64"])))
        self._dtypes = {column["name"]: column["dtype"] for column in plan["columns"]}
        self._has_path_column = bool(plan.get("include_path_column"))
        self._open: Tuple[str, Any, List[int]] = ("", None, [])
        self._decoded: Tuple[str, int, Any] = ("", -1, None)

    def read(self, path: str, start: int, end: int) -> Any:
        """The DataFrame of rows `start` to `end` of a file."""
        arrow = self._pyarrow
        try:
            table = self._rows(path, start, end)
        except OSError as error:
            raise LoadError("cannot read %s: %s" % (path, getattr(error, "strerror", None) or error)) from error
        except arrow.ArrowException as error:
            raise LoadError("cannot read %s: %s" % (path, error), permanent=True) from error
        frame = self._with_schema(table).to_pandas()
        for name, dtype in self._dtypes.items():
            # A column that has nulls somewhere has the same type everywhere.
            if dtype == "float64" and frame[name].dtype.kind in "iu":
                frame[name] = frame[name].astype("float64")
            elif dtype == "nullable_bool" and frame[name].dtype != object:
                frame[name] = frame[name].astype(object)
        if self._has_path_column:
            frame.insert(0, "Path", path)
        return frame

    def _rows(self, path: str, start: int, end: int) -> Any:
        if self._open[0] != path:
            self.close()
            file = self._parquet.ParquetFile(path)
            bounds = [0]
            for number in range(file.num_row_groups):
                bounds.append(bounds[-1] + file.metadata.row_group(number).num_rows)
            self._open = (path, file, bounds)
        _, file, bounds = self._open
        if end > bounds[-1]:
            raise LoadError("%s has become shorter than %d rows since it was divided" % (path, end), permanent=True)
        groups = [number for number in range(len(bounds) - 1) if bounds[number] < end and bounds[number + 1] > start]
        if len(groups) == 1:
            table = self._group(path, file, groups[0])
        else:
            table = file.read_row_groups(groups, columns=self._columns_of(file), use_threads=False)
        return table.slice(start - bounds[groups[0]], end - start)

    def _group(self, path: str, file: Any, number: int) -> Any:
        if self._decoded[:2] != (path, number):
            table = file.read_row_groups([number], columns=self._columns_of(file), use_threads=False)
            self._decoded = (path, number, table)
        return self._decoded[2]

    def _columns_of(self, file: Any) -> Optional[List[str]]:
        return [name for name in file.schema_arrow.names if name in self._dtypes]

    def _with_schema(self, table: Any) -> Any:
        """The table's columns in their order and types; one that this file lacks is all nulls."""
        if table.schema.equals(self._schema):
            return table
        arrow = self._pyarrow
        columns = []
        for field in self._schema:
            if field.name not in table.column_names:
                columns.append(arrow.nulls(table.num_rows, field.type))
                continue
            column = table.column(field.name)
            columns.append(column if column.type == field.type else column.cast(field.type))
        return arrow.Table.from_arrays(columns, names=self._schema.names)

    def close(self) -> None:
        """Forgets the file that was read last."""
        self._open, self._decoded = ("", None, []), ("", -1, None)
