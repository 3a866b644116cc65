"""Generated tables: files, and an MLTable that reads and transforms them. The same seed gives the same table."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENCODINGS = {
    "utf8": "utf-8",
    "iso88591": "cp1252",
    "latin1": "cp1252",
    "ascii": "ascii",
    "utf16": "utf-16",
    "windows1252": "cp1252",
}
HEADERS = ["all_files_same_headers", "no_header", "from_first_file", "all_files_different_headers"]
_WORDS = ["x", "y", "apple", "two words", " lead", "a,b", 'say "hi"', "semi;colon", "tab\there", "NA", "null", "yes", "x1"]
_ACCENTS = ["café", "ü", "señor"]


@dataclass
class Case:
    """A table in the making; `subjects` are what it tries (transformations, encodings, readers)."""

    number: int
    chance: random.Random
    subjects: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    read: dict[str, Any] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """The folder of the table; JSON is YAML, too."""
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        paths = [{"file": f"./{name}"} for name in self.files]
        document = {"type": "mltable", "paths": paths, "transformations": [self.read, *self.steps]}
        (folder / "MLTable").write_text(json.dumps(document, indent=1))


def make_case(seed: int, number: int) -> Case:
    """The case of that number: its main subject goes through all of them in turn."""
    case = Case(number, random.Random(f"{seed}/{number}"))
    subject = SUBJECTS[number % len(SUBJECTS)]
    case.subjects.append(subject)
    if subject == "read_json_lines":
        _json_lines(case)
    elif subject == "read_parquet":
        _parquet(case)
    else:
        _delimited(case, subject)
    for name in _STEPS if subject in ("read_json_lines", "read_parquet") and case.chance.random() < 0.5 else {}:
        if name not in ("extract", "convert") and case.chance.random() < 0.3:
            _STEPS[name](case)
            break
    if subject in _STEPS:
        _STEPS[subject](case)
        if case.chance.random() < 0.4:
            other = case.chance.choice([name for name in _STEPS if name not in (subject, "extract")])
            case.subjects.append(other)
            _STEPS[other](case)
    return case


def _delimited(case: Case, subject: str) -> None:
    chance = case.chance
    encoding = subject if subject in ENCODINGS else "utf8"
    delimiter = chance.choice([",", ",", ";", "\t", "|"])
    header = subject if subject in HEADERS else chance.choice(["all_files_same_headers"] * 3 + ["no_header"])
    options: dict[str, Any] = {"delimiter": delimiter, "header": header, "encoding": encoding}
    for name in ("empty_as_string", "support_multi_line", "include_path_column"):
        if subject == name or chance.random() < 0.1 or (subject == "extract" and name == "include_path_column"):
            options[name] = True
    if subject == "no_inference":
        options["infer_column_types"] = False
    names = [f"c{number}" for number in range(chance.randint(1, 5))]
    kinds = {name: chance.choice(["int", "int", "float", "text", "date", "truth"]) for name in names}
    if subject == "partition_size" or chance.random() < 0.1:
        options["partition_size"] = chance.choice([15, 64, 100, 300, 1000])
    end = chance.choice(["\n", "\n", "\r\n"])
    for number in range(chance.randint(1, 3)):
        own = names
        if header == "all_files_different_headers":
            own = chance.sample(names, chance.randint(1, len(names)))
        lines = [] if header == "no_header" else [delimiter.join(own)]
        if header == "from_first_file" and number:
            lines = []
        wide = encoding != "ascii"
        for _ in range(chance.randint(1, 30)):
            values = [_text(chance, kinds[name], wide, bool(options.get("support_multi_line"))) for name in own]
            line = delimiter.join(_quoted(value, delimiter) for value in values)
            lines.append(line or ('""' if len(own) == 1 and end == "\r\n" else line))
        text = end.join(lines) + (end if chance.random() < 0.8 else "")
        case.files[_name(case, number, "csv")] = text.encode(ENCODINGS[encoding])
    case.read = {"read_delimited": options}
    if header == "no_header":
        kinds = {f"Column{number + 1}": kind for number, kind in enumerate(kinds.values())}
    case.columns = kinds


def _name(case: Case, number: int, suffix: str) -> str:
    if "extract" not in case.subjects:
        return f"{number}.{suffix}"
    day = f"20{case.chance.randint(10, 24)}/{case.chance.randint(1, 12):02}"
    return f"{case.chance.choice(['1000', '1001', 'tro'])}/{case.chance.choice(['dom', 'b.c'])}/{day}/{number}.{suffix}"


def _text(chance: random.Random, kind: str, wide: bool, multi_line: bool) -> str:
    if chance.random() < 0.1:
        return ""
    if kind == "int":
        return str(chance.choice([2, 3, 17, -5, 1000, 123456789012, chance.randint(-99, 99)]))
    if kind == "float":
        return chance.choice(["1.5", "-0.25", "2.0", "1e3", repr(round(chance.uniform(-50, 50), 3))])
    if kind == "date":
        return f"20{chance.randint(10, 30)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
    if kind == "truth":
        return chance.choice(["true", "false"])
    if multi_line and chance.random() < 0.3:
        return "two\nlines"
    return chance.choice(_WORDS + (_ACCENTS if wide else []))


def _quoted(value: str, delimiter: str) -> str:
    if any(character in value for character in (delimiter, '"', "\n")):
        return '"' + value.replace('"', '""') + '"'
    return value


def _json_lines(case: Case) -> None:
    chance = case.chance
    options: dict[str, Any] = {}
    kinds = {f"c{number}": chance.choice(["int", "float", "text", "truth"]) for number in range(chance.randint(1, 4))}
    if chance.random() < 0.3:
        options["invalid_lines"] = "drop"
    if chance.random() < 0.2:
        options["include_path_column"] = True
    if chance.random() < 0.3:
        options["partition_size"] = chance.choice([30, 100, 500])
    for number in range(chance.randint(1, 3)):
        lines = []
        for row in range(chance.randint(1, 20)):
            record = {name: _value(chance, kind) for name, kind in kinds.items() if row == 0 or chance.random() < 0.9}
            lines.append(json.dumps(record, ensure_ascii=False))
            if options.get("invalid_lines") and chance.random() < 0.1:
                lines.append(chance.choice(["{", "[1]", "3", '{"c0":']))
        case.files[f"{number}.jsonl"] = ("\n".join(lines) + "\n").encode()
    case.read = {"read_json_lines": options}
    case.columns = kinds


def _value(chance: random.Random, kind: str) -> object:
    if chance.random() < 0.1:
        return None
    if kind == "int":
        return chance.randint(-1000, 1000)
    if kind == "float":
        return chance.randint(-1000, 1000) + 0.5
    return chance.choice(["x", "é", "2020-01-01", "12", ""]) if kind == "text" else chance.random() < 0.5


def _parquet(case: Case) -> None:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    chance = case.chance
    kinds = {f"c{number}": chance.choice(["int", "float", "text", "truth"]) for number in range(chance.randint(1, 4))}
    for number in range(chance.randint(1, 2)):
        types = {"int": pa.int64(), "float": pa.float64(), "text": pa.string(), "truth": pa.bool_()}
        rows = chance.randint(1, 30)
        table = pa.table(
            {name: pa.array([_value(chance, kind) for _ in range(rows)], types[kind]) for name, kind in kinds.items()}
        )
        written = io.BytesIO()
        pq.write_table(table, written, row_group_size=chance.choice([5, 100]))
        case.files[f"{number}.parquet"] = written.getvalue()
    case.read = {"read_parquet": {"include_path_column": True}} if chance.random() < 0.3 else {"read_parquet": {}}
    case.columns = kinds


def _column(case: Case, *kinds: str) -> str | None:
    names = [name for name, kind in case.columns.items() if not kinds or kind in kinds]
    return case.chance.choice(names) if names else None


def _convert(case: Case) -> None:
    type_: Any = case.chance.choice(["int", "float", "string", "boolean"])
    name = _column(case, "int", "float", "truth", "text")
    if name is None:
        return
    if case.columns[name] == "text" and case.chance.random() < 0.4:
        type_ = {"boolean": {"true_values": ["x", "yes"], "false_values": ["y"], "mismatch_as": "true"}}
    elif case.columns[name] == "text" and case.chance.random() < 0.4:
        type_ = {"datetime": {"formats": ["%d/%m/%Y", "%Y"]}}
    case.steps.append({"convert_column_types": [{"columns": name, "column_type": type_}]})
    case.columns[name] = "converted"


def _drop(case: Case) -> None:
    names = list(case.columns)
    if len(names) < 2:
        return
    gone = case.chance.sample(names, case.chance.randint(1, len(names) - 1))
    case.steps.append({"drop_columns": gone if len(gone) > 1 else gone[0]})
    case.columns = {name: kind for name, kind in case.columns.items() if name not in gone}


def _keep(case: Case) -> None:
    names = list(case.columns)
    kept = case.chance.sample(names, case.chance.randint(1, len(names)))
    value: Any = {"pattern": "c[0-2]|Column[1-3]"} if case.chance.random() < 0.3 else kept
    found = [name for name in names if name[-1] in "012" or name in ("Column1", "Column2", "Column3")]
    if isinstance(value, dict):
        kept = [name for name in names if name in ("c0", "c1", "c2", "Column1", "Column2", "Column3")]
        if not kept or not found:
            value = kept = names
    case.steps.append({"keep_columns": value})
    case.columns = {name: kind for name, kind in case.columns.items() if name in kept}


def _filter(case: Case) -> None:
    conditions = [_condition(case) for _ in range(case.chance.randint(1, 3))]
    text = conditions[0]
    for each in conditions[1:]:
        text = f"({text}) {case.chance.choice(['and', 'or'])} ({each})"
    if case.chance.random() < 0.3:
        text = f"not ({text})"
    if "no column" not in text:
        case.steps.append({"filter": text})


def _condition(case: Case) -> str:
    name = _column(case, "int", "float", "text", "truth")
    if name is None:
        return "no column"
    kind, operator = case.columns[name], case.chance.choice(["==", "!=", ">", "<", ">=", "<="])
    if kind == "truth":
        return case.chance.choice([f'col("{name}")', f'col("{name}") == True', f'col("{name}") != True'])
    if kind == "text":
        return f'col("{name}") {operator} "{case.chance.choice(["x", "y", "b", "two words"])}"'
    value = case.chance.choice(["2", "17", "1.5", "-5", "0"])
    arithmetic = case.chance.choice(["", "", "", " + 1", " * 2", " - 3"])
    return f'col("{name}"){arithmetic} {operator} {value}'


def _extract(case: Case) -> None:
    if "extract" not in case.subjects:
        return
    format_ = case.chance.choice(
        ["{store}/{brand}/{d:yyyy/MM}/{f}.csv", "{brand}/{y}/{m}/*.csv", "{store}/*/{y}/{m}/{f}.{end}", "{f}.csv"]
    )
    case.steps.append({"extract_columns_from_partition_format": {"partition_format": format_}})


_STEPS: dict[str, Callable[[Case], None]] = {
    "convert": _convert,
    "drop_columns": _drop,
    "keep_columns": _keep,
    "filter": _filter,
    "skip": lambda case: case.steps.append({"skip": case.chance.randint(0, 40)}),
    "take": lambda case: case.steps.append({"take": case.chance.randint(0, 40)}),
    "sample": lambda case: case.steps.append(
        {"take_random_sample": {"probability": case.chance.choice([0.0, 1.0]), "seed": case.chance.randint(0, 99)}}
    ),
    "extract": _extract,
}
_OPTIONS = ["empty_as_string", "support_multi_line", "include_path_column", "partition_size", "no_inference"]
SUBJECTS = ["read_json_lines", "read_parquet", *ENCODINGS, *HEADERS, *_OPTIONS, *_STEPS]
