"""The runtime's own options among the arguments of the entry script (spec sections 2.1 and 2.5).

Nothing is taken out of the arguments: the script sees them all. Exact names count, `--name value` and `--name=value`; a
shortened name counts only where no other reading is likely, because plain prefix matching would swallow arguments that are
meant for the script (`--model`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prsd.spec import units
from prsd.spec.node import Node
from prsd.spec.problems import did_you_mean, shown

_SHORTEST_ABBREVIATION = 12
_MOST_LETTERS_MISSING = 3


@dataclass(frozen=True, slots=True)
class Option:
    """A runtime option: the setting it decides, and the rule for its value."""

    setting: str
    rule: units.Rule


_THRESHOLD = units.integer(-1)

OPTIONS: Mapping[str, Option] = {
    "mini_batch_size": Option("mini_batch_size", units.mini_batch_size),
    "partition_keys": Option("partition_keys", units.partition_keys),
    "error_threshold": Option("error_threshold", _THRESHOLD),
    "mini_batch_error_threshold": Option("mini_batch_error_threshold", _THRESHOLD),
    "allowed_failed_count": Option("mini_batch_error_threshold", _THRESHOLD),
    "allowed_failed_percent": Option("allowed_failed_percent", units.number(0, 100)),
    "process_count_per_node": Option("max_concurrency_per_instance", units.integer(1)),
    "run_invocation_timeout": Option("run_timeout_s", units.seconds),
    "run_max_try": Option("max_retries", units.retries_from_tries),
    "task_overhead_timeout": Option("task_overhead_timeout_s", units.seconds),
    "progress_update_timeout": Option("progress_update_timeout_s", units.seconds),
    "first_task_creation_timeout": Option("first_task_creation_timeout_s", units.seconds),
    "logging_level": Option("logging_level", units.one_of("DEBUG", "INFO", "WARNING")),
    "copy_logs_to_parent": Option("copy_logs_to_parent", units.boolean),
    "resource_monitor_interval": Option("resource_monitor_interval_s", units.integer(0)),
    "metrics_name_prefix": Option("metrics_name_prefix", units.words),
    "push_metrics_to_parent": Option("push_metrics_to_parent", units.boolean),
    "output_action": Option("output_action", units.one_of("append_row", "summary_only")),
    "append_row_file_name": Option("append_row_file_name", units.file_name),
    "append_row_dataframe_header": Option("append_row_dataframe_header", units.boolean),
    "append_row_safe_output": Option("append_row_safe_output", units.boolean),
    "append_row_format": Option("append_row_format", units.one_of("text", "csv", "jsonl", "parquet")),
    "amlbi_dataframe_mixed_types": Option("mixed_types", units.boolean),
    "amlbi_async_mode": Option("async_mode", units.boolean),
    "strict_types": Option("strict_types", units.boolean),
    "infer_schema": Option("infer_schema", units.one_of("sample", "full")),
    "rank_mini_batch_count": Option("rank_mini_batch_count", units.rank_count),
    "profiling_module": Option("profiling_module", units.one_of("cProfile", "profile")),
    "resume_from": Option("resume_from", units.words),
}


@dataclass(frozen=True, slots=True)
class Given:
    """An option that was given, with its checked value."""

    option: str
    value: object


def read_options(arguments: Sequence[str], at: Node) -> dict[str, Given]:
    """The settings that the arguments decide; of several, the last one counts."""
    given: dict[str, Given] = {}
    for index, argument in enumerate(arguments):
        if argument == "--":
            break
        if not argument.startswith("--"):
            continue
        written, has_value, value = argument[2:].partition("=")
        name = _option_name(written, at)
        if name is None:
            continue
        following = arguments[index + 1] if index + 1 < len(arguments) else None
        _take(name, value if has_value else following, bool(has_value), given, at)
    return given


def _option_name(written: str, at: Node) -> str | None:
    if written in OPTIONS:
        return written
    meant = [name for name in OPTIONS if name.startswith(written)]
    if len(meant) == 1 and len(written) >= _SHORTEST_ABBREVIATION and len(meant[0]) - len(written) <= _MOST_LETTERS_MISSING:
        at.notice(f"interpreting --{written} as --{meant[0]}; the argument is also passed to the entry script as written")
        return meant[0]
    if len(written) >= _SHORTEST_ABBREVIATION and (guess := did_you_mean(written, OPTIONS, cutoff=0.9)):
        at.notice(f"--{written} is no option of the runtime and only passed to the entry script{guess}")
    return None


def _take(name: str, value: str | None, is_joined: bool, given: dict[str, Given], at: Node) -> None:
    if value is None or (not is_joined and value.startswith("--")):
        at.problem(f"--{name} needs a value")
        return
    if "${{" in value:
        at.problem(f"--{name}: {shown(value)} is data; the option needs a literal")
        return
    option = OPTIONS[name]
    try:
        given[option.setting] = Given(name, option.rule(value))
    except ValueError as error:
        at.problem(f"--{name} {error}")
