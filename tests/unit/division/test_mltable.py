"""Statement 43: what an MLTable file may say, and how the rest is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from prs_agent.division.mltable import load_mltable
from prs_agent.division.problems import InputError, MLTableError
from prsd.base.mltable.model import MLTable, PathEntry, ReadDelimited

PATHS = "paths:\n  - file: ./a.csv\n"


def load(tmp_path: Path, text: str) -> MLTable:
    (tmp_path / "MLTable").write_text(text)
    return load_mltable(str(tmp_path))


def test_read_delimited_has_the_documented_defaults(tmp_path: Path) -> None:
    table = load(tmp_path, PATHS + "transformations:\n  - read_delimited\n")

    assert table == MLTable(str(tmp_path), (PathEntry("file", "./a.csv"),), ReadDelimited())


def test_every_parameter_of_read_delimited(tmp_path: Path) -> None:
    table = load(
        tmp_path,
        "$schema: https://example.org/s.json\ntype: mltable\n" + PATHS + "metadata: {a: 1}\ntraits: {index_columns: [a]}\n"
        'transformations:\n  - read_delimited:\n      delimiter: "\\t"\n      header: no_header\n      encoding: ISO88591\n'
        "      empty_as_string: true\n      include_path_column: true\n      support_multi_line: true\n"
        "      partition_size: 2048\n"
        "      infer_column_types:\n        sample_size: 5\n        column_type_overrides: {a: int, b: boolean}\n",
    )

    assert table.read == ReadDelimited(
        "\t", "no_header", "whatwg-1252", True, True, True, True, {"a": "int64", "b": "bool"}, 2048
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "must be a mapping"),
        ("paths: [\n", "is not valid YAML"),
        ("type: mltable\n", "paths must be a list"),
        ("type: table\n" + PATHS, "type is 'table'"),
        (PATHS + "transformation: []\n", "unknown key 'transformation' .did you mean 'transformations'"),
        ("paths:\n  - files: ./a\n", "did you mean 'file'"),
        ("paths:\n  - {file: ./a, folder: ./b}\n", "exactly one of the keys"),
        ("paths:\n  - file: 3\n", "must be a path"),
        ("query_source: {query: x}\n", "query_source is not supported"),
    ],
)
def test_43_wrong_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MLTableError, match=message) as raised:
        load(tmp_path, text)
    assert raised.value.permanent
    assert str(tmp_path / "MLTable") in str(raised.value)


@pytest.mark.parametrize(
    ("transformations", "message"),
    [
        ("[read_delimitd]", "unknown transformation .*'read_delimitd' .did you mean 'read_delimited'"),
        ("[frobnicate]", "unknown transformation .*'frobnicate'$"),
        ("[{read_delta_lake: {}}]", "either version_as_of or timestamp_as_of"),
        (
            "[{read_delta_lake: {version_as_of: 1, timestamp_as_of: '2024-01-01'}}]",
            "either version_as_of or timestamp_as_of",
        ),
        ("[{read_delta_lake: {timestamp_as_of: yesterday}}]", "must be a time such as"),
        ("[{read_json_lines: {invalid_lines: keep}}]", "it can be error, drop"),
        ("[{read_parquet: {partition_size: 5}}]", "unknown parameter of read_parquet"),
        ("[read_delimited, {skip: '10'}]", r"transformations\[1\]: skip must be a whole number"),
        ("[read_delimited, {take: -1}]", "take must be a whole number from 0 on"),
        ("[read_delimited, {filter: 3}]", "filter must be an expression"),
        ("[read_delimited, {filter: 'col(\"a\") >'}]", "is not an expression"),
        ("[read_delimited, {filter: 'col(\"a\") + 1'}]", "must be a condition"),
        ("[read_delimited, {filter: '1 < col(\"a\") < 3'}]", "a chain of comparisons"),
        ("[read_delimited, {filter: 'len(col(\"a\")) > 3'}]", "is not supported in"),
        ("[read_delimited, {filter: 'col(\"a\") in (1, 2)'}]", "is not supported in"),
        ("[read_delimited, {filter: 'datetime(2020, 13, 1) < d'}]", "no such datetime"),
        ("[read_delimited, {drop_columns: {patern: a}}]", "did you mean 'pattern'"),
        ("[read_delimited, {keep_columns: {pattern: '('}}]", "is not a regular expression"),
        ("[read_delimited, {keep_columns: []}]", "a text or a list of texts"),
        ("[read_delimited, {convert_column_types: {columns: a, column_type: int}}]", "must be a list"),
        ("[read_delimited, {convert_column_types: [{columns: a}]}]", "needs columns and column_type"),
        ("[read_delimited, {convert_column_types: [{columns: a, column_type: integer}]}]", "it can be int, float"),
        ("[read_delimited, {convert_column_types: [{columns: a, column_type: datetime}]}]", "needs formats"),
        (
            "[read_delimited, {convert_column_types: [{columns: a, column_type: stream_info}]}]",
            "stream_info is not supported",
        ),
        (
            "[read_delimited, {convert_column_types: [{columns: a, column_type: {datetime: {date_constant: x}}}]}]",
            "date_constant is not supported",
        ),
        (
            "[read_delimited, {convert_column_types: [{columns: a, column_type: {boolean: {true_values: 'y'}}}]}]",
            "needs both true_values and false_values",
        ),
        ("[read_delimited, {take_random_sample: {probability: 2, seed: 1}}]", "a number from 0 to 1"),
        ("[read_delimited, {select_partitions: [0]}]", "select_partitions is not supported"),
        ("[read_delimited, {sample: {}}]", "use take_random_sample"),
        ("[read_delimited, {extract_columns_from_partition_format: {}}]", "must be a text such as"),
        ("[{drop_columns: a}]", "needs a table"),
        ("[read_delimited, read_delimited]", "must be the first"),
        ("[{read_delimited: {delimeter: ','}}]", "did you mean 'delimiter'"),
        ("[{read_delimited: {delimiter: ';;;'}}]", "one or two ASCII characters"),
        ("[{read_delimited: {delimiter: '\\t'}}]", "double quotes"),
        ("[{read_delimited: {header: no_headers}}]", "did you mean 'no_header'"),
        ("[{read_delimited: {encoding: utf9}}]", "did you mean"),
        ("[{read_delimited: {support_multi_line: 1}}]", "true or false"),
        ("[{read_delimited: {partition_size: 1mb}}]", "a whole number from 1 on"),
        ("[{read_delimited: {infer_column_types: {column_type_overrides: {a: integer}}}}]", "did you mean 'int'"),
        ("{read_delimited: {}}", "must be a list"),
    ],
)
def test_43_wrong_and_unsupported_transformations_are_refused_by_name(
    tmp_path: Path, transformations: str, message: str
) -> None:
    with pytest.raises(MLTableError, match=message) as raised:
        load(tmp_path, PATHS + f"transformations: {transformations}\n")
    assert raised.value.permanent


def test_a_folder_without_an_mltable_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="MLTable does not exist"):
        load_mltable(str(tmp_path))
