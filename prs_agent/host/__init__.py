"""The host: our code inside a worker process. It loads the entry script and calls its `run()`, mini-batch by mini-batch.

It runs in the USER'S interpreter, Python 3.7 or newer, so everything here is standard library only, in the syntax of 3.7.
pandas and pyarrow are imported when a tabular mini-batch (or a row format) needs them, and old versions do. Nothing of ours
is imported from outside this folder, and imports within it are relative: in a worker the folder is the package `_prs_host`
(see `__main__`), in the agent it is `prs_agent.host`.

The agent uses three modules of it: `frames` (both directions of the protocol), `slot` (what a worker is doing now) and
`columns` (packed numbers). Start reading with `frames`, then `worker` (the phases of a worker's life), then `loop`.

    frames frame_types columns slot   what crosses to the agent, as bytes
    channel inbox                what the host sends, what it has been given and not yet started
    worker loop                  start, init, the loop of mini-batches, shutdown
    entry_script context         the user's module and what `run()` is given beside its mini-batch
    manifest loading             what a mini-batch is made of
    table_part boundaries streams   which bytes or rows of which files, and reading them
    read_plan texts tables arrow_table text_table json_table parquet   rows to DataFrames, by the plan that division made
    steps filters conversions    the transformations that follow
    returns rows row_formats     what `run()` returned: counting it, and its rows as bytes
    failures user_logs           exceptions in words, log files
    stand_in_finder standins     modules that user code expects to find
"""
