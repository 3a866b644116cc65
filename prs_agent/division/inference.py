"""Finds the columns of a delimited table and one type for each, once per table (spec section 12 d).

int64 when every value is a whole number that fits, float64 when there is a fraction, an exponent or a missing value, bool
for true and false (also True and TRUE; 0, 1, T and F are not), datetime for ISO dates and times without a zone, string for
everything else: the text is kept as it is. A bool column with missing values is a string column, and so is one without any
value. Only the empty text is a null ("NA" and "null" are texts); with `empty_as_string` even that is a text.
"""

from __future__ import annotations

import csv
import datetime
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as pa_csv

from prs_agent.division.delimited import QUOTE, is_within_quotes
from prs_agent.division.mltable import ReadDelimited
from prs_agent.division.problems import InputError
from prs_agent.division.sampling import Block

TRUE_VALUES = ["true", "True", "TRUE"]
FALSE_VALUES = ["false", "False", "FALSE"]

# Outside these years nanoseconds since 1970, which older pandas counts in, overflow.
_EARLIEST = datetime.datetime(1678, 1, 1)  # noqa: DTZ001 (a time without a zone, like the data)
_LATEST = datetime.datetime(2262, 1, 1)  # noqa: DTZ001


class TypeGuess:
    """What the type of one column can still be, after the texts seen so far."""

    def __init__(self) -> None:
        self._possible = ["int64", "float64", "bool", "datetime"]
        self._has_null = False
        self._has_value = False
        self._has_number = False

    def look_at(self, texts: pa.Array, empty_is_null: bool) -> None:
        """Narrow the guess by these texts."""
        if empty_is_null:
            present = texts.filter(pc.not_equal(texts, ""))
            self._has_null |= len(present) < len(texts)
            texts = present
        if not len(texts):
            return
        self._has_value = True
        self._possible = [name for name in self._possible if self._fits(name, texts)]

    def note_missing(self) -> None:
        """A record ends before this column."""
        self._has_null = True

    def result(self) -> str:
        """The type that all texts agree with."""
        possible = self._possible if self._has_value else []
        if "float64" in possible and not self._has_number:
            possible = [name for name in possible if name != "float64"]
        if self._has_null:
            possible = [name for name in possible if name not in ("int64", "bool")]
        return possible[0] if possible else "string"

    def _fits(self, name: str, texts: pa.Array) -> bool:
        try:
            return bool(getattr(self, f"_fits_{name}")(texts))
        except pa.ArrowInvalid:
            return False

    def _fits_int64(self, texts: pa.Array) -> bool:
        pc.cast(pc.ascii_trim_whitespace(texts), pa.int64())
        return not pc.any(pc.match_substring_regex(texts, "[xX]")).as_py()  # Arrow also reads 0x1F as a number.

    def _fits_float64(self, texts: pa.Array) -> bool:
        numbers = pc.cast(pc.ascii_trim_whitespace(texts), pa.float64())
        self._has_number |= bool(pc.any(pc.is_finite(numbers)).as_py())
        return True

    def _fits_bool(self, texts: pa.Array) -> bool:
        return bool(pc.all(pc.is_in(texts, pa.array(TRUE_VALUES + FALSE_VALUES))).as_py())

    def _fits_datetime(self, texts: pa.Array) -> bool:
        limits = pc.min_max(pc.cast(texts, pa.timestamp("us"))).as_py()
        return bool(limits["min"] >= _EARLIEST and limits["max"] < _LATEST)


class ColumnGuesses:
    """The columns of a table: their number grows when a record has more fields than the header (spec section 4.4)."""

    def __init__(self, read: ReadDelimited, header_fields: int) -> None:
        self._read = read
        self._guesses = [TypeGuess() for _ in range(header_fields)]
        self._usual_fields = 0  # Of the header or the first record; set by the first block.

    def look_at(self, block: Block) -> None:
        """Narrow the guesses by a block of whole records. InputError when it cannot be decoded."""
        text = _decode(block, self._read.encoding)
        text, broken = self._without_broken_lines(text)
        ragged = [self._fields(line) for line in broken]
        if not self._usual_fields:
            first = self._fields(text) if text else ragged[0]
            self._grow(len(first))
            self._usual_fields = max(1, len(self._guesses))
        if text:
            table, odd = self._parse(text)
            ragged += odd
            for guess, column in zip(self._guesses, table.columns, strict=False):
                guess.look_at(column.combine_chunks(), self._empty_is_null)
        if ragged:
            self._look_at_ragged(ragged)

    def results(self) -> list[str]:
        """The type of each column. What only some records have is missing in others."""
        for guess in self._guesses[self._usual_fields :]:
            guess.note_missing()
        return [guess.result() for guess in self._guesses]

    @property
    def _empty_is_null(self) -> bool:
        return not self._read.empty_as_string

    def _grow(self, fields: int) -> None:
        self._guesses += [TypeGuess() for _ in range(fields - len(self._guesses))]

    def _look_at_ragged(self, records: list[list[str]]) -> None:
        """Records with another number of fields than usual."""
        self._grow(max(len(fields) for fields in records))
        for number, guess in enumerate(self._guesses):
            texts = [fields[number] for fields in records if number < len(fields)]
            guess.look_at(pa.array(texts, pa.string()), self._empty_is_null)
            if len(texts) < len(records):
                guess.note_missing()

    def _without_broken_lines(self, text: str) -> tuple[str, list[str]]:
        """Lines that end within quotes, taken out: without `support_multi_line` each is a record of its own."""
        if self._read.support_multi_line or QUOTE not in text:
            return text, []
        whole: list[str] = []
        broken: list[str] = []
        for line in text.splitlines(keepends=True):
            is_broken = QUOTE in line and is_within_quotes(line, self._read.delimiter)
            (broken if is_broken else whole).append(line)
        return "".join(whole), broken

    def _fields(self, text: str) -> list[str]:
        """The fields of the first record."""
        lines = text.splitlines(keepends=True)
        lines = lines if self._read.support_multi_line else [line.rstrip("\r\n") for line in lines[:1]]
        return next(csv.reader(lines, delimiter=self._read.delimiter), [])

    def _parse(self, text: str) -> tuple[pa.Table, list[list[str]]]:
        """All records as texts, and those with another number of fields apart."""
        odd: list[str] = []

        def set_apart(row: pa_csv.InvalidRow) -> str:
            odd.append(row.text)
            return "skip"

        names = [str(number) for number in range(self._usual_fields)]
        data = text.encode("utf-8", "surrogatepass")
        table = pa_csv.read_csv(
            pa.BufferReader(data),
            pa_csv.ReadOptions(column_names=names, block_size=len(data) + 1, use_threads=False),
            pa_csv.ParseOptions(
                delimiter=self._read.delimiter,
                newlines_in_values=self._read.support_multi_line,
                ignore_empty_lines=False,
                invalid_row_handler=set_apart,
            ),
            pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), check_utf8=False),
        )
        return table, [self._fields(row) for row in odd]


def infer_types(samples: Iterable[Block], read: ReadDelimited, header_fields: int) -> list[str]:
    """One type per column; more than `header_fields` of them when a record has more fields. InputError as `look_at`."""
    guesses = ColumnGuesses(read, header_fields)
    for block in samples:
        guesses.look_at(block)
    return guesses.results()


def _decode(block: Block, encoding: str) -> str:
    try:
        return block.data.decode(block.codec)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{block.path} is not {encoding} at byte {block.offset + error.start}: set `encoding` in the MLTable"
        ) from error
