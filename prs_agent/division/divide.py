"""The course of a division: find out what the input is, then write its manifest."""

from __future__ import annotations

from prs_agent.division.files import divide_files, files_per_mini_batch
from prs_agent.division.job import DivideJob
from prs_agent.division.manifest import ManifestWriter
from prs_agent.division.notices import Notices
from prs_agent.division.partitions import check_keys
from prs_agent.division.sources import list_input, list_table


def divide(job: DivideJob, manifest: ManifestWriter, notices: Notices) -> str:
    """Write the whole manifest; the answer is its kind, "files" or "table". DivisionError when that is impossible."""
    kind = _divide_mltable(job, manifest, notices) if job.input.type == "mltable" else _divide_files(job, manifest, notices)
    manifest.end()
    return kind


def _divide_files(job: DivideJob, manifest: ManifestWriter, notices: Notices) -> str:
    check_keys(job.division.partition_keys, ())
    per_mini_batch = files_per_mini_batch(job.division)
    root, paths = list_input(job.input, notices)
    divide_files(paths, root, per_mini_batch, manifest)
    return "files"


def _divide_mltable(job: DivideJob, manifest: ManifestWriter, notices: Notices) -> str:
    # Imported here: PyYAML and what tables need cost start-up time that a plain file list does not have to pay.
    from prs_agent.division.mltable import load_mltable

    table = load_mltable(job.input.path)
    if table.read is None:
        from prs_agent.division.file_tables import divide_file_table

        divide_file_table(table, list_table(table, notices), job.division, manifest, notices)
        return "files"
    from prs_agent.division.tables import divide_table

    paths = list_table(table, notices)
    divide_table(table, paths, job.division, manifest, notices)
    return "table"
