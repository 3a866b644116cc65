"""Finds the columns of a delimited table and one type for each, once per table (spec section 12 d).

int64 when every value is a whole number that fits, float64 when there is a fraction, an exponent or a missing value, bool
for true and false (also True and TRUE; 0, 1, T and F are not), datetime for ISO dates and times without a zone, string for
everything else: the text is kept as it is. A bool column with missing values holds True, False and None ("nullable_bool"),
one without any value is a string column. Only an empty field without quotes is a null ("NA" and "null" are texts); with
`empty_as_string` even that is a text.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as pa_csv

from prs_agent.division.problems import InputError
from prs_agent.division.records import QUOTE
from prs_agent.division.sampling import Block
from prs_agent.host.json_table import InvalidRecordError, parse_lines
from prs_agent.host.texts import decode, is_within_quotes, join_lines, split_line
from prsd.base.mltable.model import ReadDelimited, ReadJsonLines

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

    def look_at(self, texts: pa.Array) -> None:
        """Narrow the guess by these texts and nulls."""
        present = texts.drop_null()
        self._has_null |= len(present) < len(texts)
        if not len(present):
            return
        self._has_value = True
        self._possible = [name for name in self._possible if self._fits(name, present)]

    def note_missing(self) -> None:
        """A record ends before this column."""
        self._has_null = True

    def result(self) -> str:
        """The type that all texts agree with."""
        possible = self._possible if self._has_value else []
        if "float64" in possible and not self._has_number:
            possible = [name for name in possible if name != "float64"]
        if self._has_null:
            possible = ["nullable_bool" if name == "bool" else name for name in possible if name != "int64"]
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

    def __init__(self, read: ReadDelimited, header_fields: int, guess_at: Callable[[int], TypeGuess] | None = None) -> None:
        self._read = read
        self._guess_at = guess_at or (lambda number: TypeGuess())
        self._guesses = [self._guess_at(number) for number in range(header_fields)]
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
        if len(self._read.delimiter) > 1:
            ragged += [self._fields(line) for line in text.split("\n") if line.strip("\r")]
        elif text:
            table, odd = self._parse(text)
            ragged += odd
            for guess, column in zip(self._guesses, table.columns, strict=False):
                guess.look_at(column.combine_chunks())
        if ragged:
            self._look_at_ragged(ragged)

    def results(self) -> list[str]:
        """The type of each column. What only some records have is missing in others."""
        for guess in self._guesses[self._usual_fields :]:
            guess.note_missing()
        return [guess.result() for guess in self._guesses]

    def _grow(self, fields: int) -> None:
        self._guesses += [self._guess_at(number) for number in range(len(self._guesses), fields)]

    def _look_at_ragged(self, records: list[list[str | None]]) -> None:
        """Records with another number of fields than usual."""
        self._grow(max(len(fields) for fields in records))
        for number, guess in enumerate(self._guesses):
            texts = [fields[number] if number < len(fields) else None for fields in records]
            guess.look_at(pa.array(texts, pa.string()))

    def _without_broken_lines(self, text: str) -> tuple[str, list[str]]:
        """Lines that end within quotes, taken out: without `support_multi_line` each is a record of its own."""
        if self._read.support_multi_line or QUOTE not in text:
            return text, []
        whole: list[str] = []
        broken: list[str] = []
        for line in text.split("\n"):
            is_broken = QUOTE in line and is_within_quotes(line, self._read.delimiter)
            (broken if is_broken else whole).append(line)
        return "\n".join(whole) if any(line.strip("\r") for line in whole) else "", broken

    def _fields(self, text: str) -> list[str | None]:
        """The fields of the first record."""
        lines = join_lines(text, self._read.delimiter) if self._read.support_multi_line else iter(text.split("\n"))
        line = next(line for line in lines if line.strip("\r"))
        empty = None if not self._read.empty_as_string else ""
        return [field if field or quoted else empty for field, quoted in split_line(line.rstrip("\r"), self._read.delimiter)]

    def _parse(self, text: str) -> tuple[pa.Table, list[list[str | None]]]:
        """All records as texts, and those with another number of fields apart."""
        odd: list[str] = []

        def set_apart(row: pa_csv.InvalidRow) -> str:
            odd.append(row.text)
            return "skip"

        names = [str(number) for number in range(self._usual_fields)]
        # Without its line end, pyarrow takes an empty last field for one in quotes when the field before it is quoted.
        data = (text if text.endswith("\n") else text + "\n").encode("utf-8", "surrogatepass")
        table = pa_csv.read_csv(
            pa.BufferReader(data),
            pa_csv.ReadOptions(column_names=names, block_size=len(data) + 1, use_threads=False),
            pa_csv.ParseOptions(
                delimiter=self._read.delimiter,
                newlines_in_values=self._read.support_multi_line,
                ignore_empty_lines=True,
                invalid_row_handler=set_apart,
            ),
            pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                check_utf8=False,
                null_values=[""],
                strings_can_be_null=not self._read.empty_as_string,
                quoted_strings_can_be_null=False,
            ),
        )
        return table, [self._fields(row) for row in odd]


def infer_types(samples: Iterable[Block], read: ReadDelimited, header_fields: int) -> list[str]:
    """One type per column; more than `header_fields` of them when a record has more fields. InputError as `look_at`."""
    guesses = ColumnGuesses(read, header_fields)
    for block in samples:
        guesses.look_at(block)
    return guesses.results()


def infer_types_by_name(
    samples: Iterable[Block], read: ReadDelimited, headers: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """One type per column of files (path to the names in its header) that need not have the same ones.

    What a file lacks is missing in its rows. Fields beyond a file's header are of columns ColumnN.
    """
    shared: dict[str, TypeGuess] = {name: TypeGuess() for names in headers.values() for name in names}
    in_files: dict[str, ColumnGuesses] = {}

    def guess_of(names: Sequence[str]) -> Callable[[int], TypeGuess]:
        return lambda number: shared.setdefault(names[number] if number < len(names) else f"Column{number + 1}", TypeGuess())

    for block in samples:
        if block.path not in in_files:
            names = headers[block.path]
            in_files[block.path] = ColumnGuesses(read, len(names), guess_of(names))
        in_files[block.path].look_at(block)
    for name, guess in shared.items():
        if not all(name in names for names in headers.values()):
            guess.note_missing()
    return {name: guess.result() for name, guess in shared.items()}


class JsonGuess:
    """What the type of one key can be, after the values seen so far."""

    def __init__(self) -> None:
        self._kinds: set[type] = set()
        self._largest = 0
        self.values = 0  # that are not null

    def look_at(self, value: object) -> None:
        """Narrow the guess by this value."""
        if value is None:
            return
        self.values += 1
        self._kinds.add(type(value))
        if type(value) is int:
            self._largest = max(self._largest, value if value >= 0 else -value - 1)

    def result(self, has_null: bool) -> str:
        """The type that all values agree with; see `prs_agent.host.json_table`."""
        if not self._kinds:
            return "string"
        if self._kinds == {int} and not has_null and self._largest < 2**63:
            return "int64"
        if self._kinds <= {int, float} and self._largest <= 2**53:
            return "float64"
        if self._kinds == {bool}:
            return "nullable_bool" if has_null else "bool"
        return "string" if self._kinds == {str} else "object"


def infer_json_types(samples: Iterable[Block], read: ReadJsonLines) -> dict[str, str]:
    """One type per key, in the order in which the keys are met first. InputError for a line that is no object."""
    guesses: dict[str, JsonGuess] = {}
    count = 0
    for block in samples:
        try:
            found = parse_lines(_decode(block, read.encoding), read.drops_invalid_lines)
        except InvalidRecordError as error:
            raise InputError(f"{block.path}: {error}") from error
        count += len(found)
        for record in found:
            for key, value in record.items():
                guesses.setdefault(key, JsonGuess()).look_at(value)
    return {key: guess.result(guess.values < count) for key, guess in guesses.items()}


def _decode(block: Block, encoding: str) -> str:
    try:
        return decode(block.data, block.codec)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{block.path} is not {encoding} at byte {block.offset + error.start}: set `encoding` in the MLTable"
        ) from error
