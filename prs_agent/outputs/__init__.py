"""Outputs: where returned rows wait, and how they become the output of a step.

The agent appends rows to segments (`segments`) and notes attempts (`attempts`) while a step runs. At the end it starts
`python -m prs_agent.outputs`, a helper process that merges the recorded rows in mini-batch order into the output file and
publishes it, then renders the reports of the step. Reading order: `segments`, `plan` (what the helper is told), `merge` (the
course of a commit), `rows` and `parquet` (one class per format), `publish` (the atomic file), `attempts`, `report`.

Nothing here decides whose rows count: the daemon has recorded that, and the plan says it. pyarrow is imported only for
parquet.
"""
