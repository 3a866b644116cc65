"""Parquet outputs: the files of all mini-batches as one, with one schema.

Columns are matched by name and come in the order of the first mini-batch; a column that is whole numbers here and fractions
there becomes fractions. Row groups are cut by rows and bytes in mini-batch order, so that the file is the same every time.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from prs_agent.outputs.plan import Payloads
from prs_agent.outputs.problems import RowsError
from prs_agent.outputs.publish import AtomicFile
from prs_agent.outputs.rows import PARQUET, check_columns, unexpected

_GROUP_ROWS = 128 * 1024
_GROUP_BYTES = 64 * 1024 * 1024


def common_schema(all_payloads: Iterable[Payloads]) -> pa.Schema:
    """The schema that holds every mini-batch's rows; RowsError naming two mini-batches when there is none."""
    common, first = pa.schema([]), -1
    for payloads in all_payloads:
        for index, payload in payloads.each():
            if payload[0] != PARQUET:
                raise unexpected(index, payload[0], "parquet")
            schema = _plain(pq.read_schema(_source(payload)))
            if first < 0:
                common, first = schema, index
            elif not schema.equals(common):
                check_columns(first, common.names, index, schema.names)
                common = _unified(common, first, schema, index)
    return common


class ParquetRows:
    """Writes the rows of all mini-batches with the schema that `common_schema` found."""

    def __init__(self, file: AtomicFile, schema: pa.Schema) -> None:
        self.notices: list[str] = []
        self._schema = schema
        self._writer = pq.ParquetWriter(file, schema)
        self._waiting: list[pa.Table] = []
        self._waiting_rows = self._waiting_bytes = self._rows = 0

    def add(self, payloads: Payloads) -> None:
        """See RowWriter."""
        for index, payload in payloads.each():
            self._add_table(index, pq.ParquetFile(_source(payload)).read())
            if self._waiting_rows >= _GROUP_ROWS or self._waiting_bytes >= _GROUP_BYTES:
                self._write_group()

    def end(self) -> int:
        """See RowWriter."""
        self._write_group()
        self._writer.close()
        return self._rows

    def _add_table(self, index: int, table: pa.Table) -> None:
        try:
            table = table.select(self._schema.names).cast(self._schema)
        except pa.ArrowException as error:
            raise RowsError(f"the rows of mini-batch {index} do not fit the types of the others: {error}") from error
        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        self._waiting_bytes += table.nbytes

    def _write_group(self) -> None:
        if self._waiting_rows:
            self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=self._waiting_rows)
        self._rows += self._waiting_rows
        self._waiting, self._waiting_rows, self._waiting_bytes = [], 0, 0


def _unified(common: pa.Schema, first: int, schema: pa.Schema, index: int) -> pa.Schema:
    try:
        return pa.unify_schemas([common, schema], promote_options="permissive")
    except pa.ArrowException as error:
        raise RowsError(
            f"mini-batch {index} and mini-batch {first} have columns of types without a common one: {error}"
        ) from error


def _plain(schema: pa.Schema) -> pa.Schema:
    """Without metadata (it describes one mini-batch's DataFrame) and without dictionaries (they differ)."""
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in schema.remove_metadata()
    ]
    return pa.schema([field.remove_metadata() for field in fields])


def _source(payload: memoryview) -> pa.BufferReader:
    return pa.BufferReader(pa.py_buffer(payload[1:]))
