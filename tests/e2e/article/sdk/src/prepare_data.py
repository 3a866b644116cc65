"""The table as it is, and each of its rows as a file; an MLTable for either."""

import argparse
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--input_data", type=Path)
parser.add_argument("--file_output_data", type=Path)
parser.add_argument("--tabular_output_data", type=Path)
arguments = parser.parse_args()

table = (arguments.input_data / "flowers.csv").read_text()
(arguments.tabular_output_data / "flowers.csv").write_text(table)
(arguments.tabular_output_data / "MLTable").write_text(
    "type: mltable\npaths:\n  - file: ./flowers.csv\ntransformations:\n  - read_delimited:\n      delimiter: ','\n"
)
flowers = arguments.file_output_data / "flowers"
flowers.mkdir()
for number, row in enumerate(table.splitlines()[1:]):
    (flowers / f"{number:03}.txt").write_text(row)
(arguments.file_output_data / "MLTable").write_text("type: mltable\npaths:\n  - pattern: ./flowers/*.txt\n")
