"""The oracle: generated MLTables, read by the original's own engine and by ours, and compared value by value.

`python -m tests.oracle --engine PYTHON` needs an interpreter that has the published packages `mltable`, `azureml-dataprep`
and `pandas`; `make oracle` makes one. `cases` generates the tables from a seed, `engine` runs in that interpreter, `ours`
reads with our division and host, `compare` knows every difference that is kept on purpose, by name. A difference without a
name is printed with the folder of its table, and fails the run.
"""
