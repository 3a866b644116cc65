"""Generate the sales of 33 stores and 3 brands over 121 weeks, and write them as an MLTable with a file for each pair."""

import argparse
import csv
import random
from itertools import product
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--table", type=Path, required=True)
arguments = parser.parse_args()

chance = random.Random(19900614)
stores = [str(1000 + number) for number in range(33)]
brands = ["dominicks", "minute.maid", "tropicana"]
for store, brand in product(stores, brands):
    folder = arguments.table / "sales" / store / brand
    folder.mkdir(parents=True, exist_ok=True)
    usual = chance.uniform(3000, 20000)
    with (folder / "weeks.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["week", "price", "advertised", "sold"])
        for week in range(121):
            price, advertised = round(chance.uniform(1.2, 3.2), 2), chance.random() < 0.25
            sold = usual * (2.6 - 0.7 * price) * (1.8 if advertised else 1) * chance.uniform(0.9, 1.1)
            rows.writerow([week, price, int(advertised), round(sold)])

(arguments.table / "MLTable").write_text(
    """\
type: mltable
paths:
  - pattern: ./sales/**/*.csv
transformations:
  - read_delimited:
      delimiter: ','
      header: all_files_same_headers
      include_path_column: true
  - extract_columns_from_partition_format:
      partition_format: '{store}/{brand}/{file_name}.{extension}'
  - drop_columns: [Path, file_name, extension]
"""
)
print(f"{len(stores)} stores, {len(brands)} brands")
