"""Runs in the interpreter that has the engine: `python engine.py`, folders on stdin, an answer in JSON a line on stdout.

Standard library, pandas and the published package only; nothing of ours. An answer is {"columns", "rows", "parts"} or
{"error"}; `parts` are the numbers of rows of each partition, for the folders that end with a "+".
"""

import datetime
import json
import math
import os
import sys
import warnings


def main() -> None:
    """Answers until stdin ends."""
    warnings.filterwarnings("ignore")
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # the engine prints what it likes
    for line in sys.stdin:
        folder = line.rstrip("\n")
        answers.write(json.dumps(answer(folder.rstrip("+"), folder.endswith("+"))) + "\n")


def answer(folder: str, with_parts: bool) -> dict:  # type: ignore[type-arg]  # older interpreters have no dict[…]
    """What the engine makes of the table."""
    import mltable  # type: ignore[import-not-found]

    try:
        table = mltable.load(folder)
        frame = table.to_pandas_dataframe()
        parts = []
        if with_parts:
            parts = [len(table.select_partitions([n]).to_pandas_dataframe()) for n in range(table.get_partition_count())]
    except BaseException as error:  # the engine raises what it likes, too
        return {"error": f"{type(error).__name__}: {error}"[:2000]}
    columns = [str(name) for name in frame.columns]
    return {
        "columns": columns,
        "rows": [[plain(value) for value in row] for row in frame.itertuples(index=False, name=None)],
        "parts": parts,
    }


def plain(value: object) -> object:
    """A value in JSON: dates as texts with a mark, what is missing as null."""
    if value is None or value != value:  # noqa: PLR0124  only NaN and NaT differ from themselves
        return None
    if isinstance(value, datetime.datetime):
        return {"date": value.replace(tzinfo=None).isoformat()}
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value if isinstance(value, (bool, int, float, str)) else repr(value)


if __name__ == "__main__":
    main()
