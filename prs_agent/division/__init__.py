"""Division: a helper process that cuts an input into mini-batches and writes the manifest.

The agent starts `python -m prs_agent.division` once per divide attempt; the process gets one job, announces each manifest
part as soon as it is durable, and ends. Reading order: `job` (what is asked), `divide` (the whole course), then by kind of
input `listing`, `patterns`, `mltable`, `sources` and `files` (lists of files; `file_tables` and `partitions` for an MLTable
that is one), `tables`, `text_tables`, `records`, `sampling` and `inference` (delimited text and JSON lines), `parquet` and
`delta`, then `plan` (transformations), `pieces` (mini-batches that are not arithmetic), and `manifest` (what is written).

Nothing here keeps state between attempts, talks to the daemon or runs user code. pyarrow is imported only for tables: the
division of a file list has to start within milliseconds.
"""
