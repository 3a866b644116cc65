"""Units, ranges, effective values and their origins (statements 8 to 12, 21, 39, 55, 56)."""

from collections.abc import Callable

import pytest

from prsd.spec import Effective, MiniBatchSize, ParallelSettings, Pipeline, Problem, Step

Refused = Callable[..., list[str]]
Accepted = Callable[..., tuple[Pipeline, tuple[Problem, ...]]]
OneStep = Callable[..., Step]
Notices = Callable[..., list[str]]

ARGUMENTS = "jobs.s.task.program_arguments"


def settings(step: Step) -> ParallelSettings:
    assert step.settings is not None
    return step.settings


@pytest.mark.parametrize(
    ("written", "unit", "value"),
    [
        ("10kb", "bytes", 10240),
        ("10KB", "bytes", 10240),
        ("1MB", "bytes", 1048576),
        ("1gb", "bytes", 1073741824),
        ("5", "files_or_bytes", 5),
    ],
)
def test_s08_sizes(written: str, unit: str, value: int, step: OneStep) -> None:
    size = step({"jobs.s.mini_batch_size": written}).mini_batch_size
    assert (size.unit, size.value) == (unit, value)


@pytest.mark.parametrize("written", ["1.5mb", "100b", "-1", "abc", "5kbkb", -1, 1.5, True, [1], "9999999999999999gb"])
def test_s09_bad_sizes_are_rejected(written: object, refused: Refused) -> None:
    (problem,) = refused({"jobs.s.mini_batch_size": written})
    assert problem.startswith("jobs.s.mini_batch_size: must be")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (10, MiniBatchSize(unit="files_or_bytes", value=10)),
        ("10 kb", MiniBatchSize(unit="bytes", value=10240)),
        ("500 rows", MiniBatchSize(unit="rows", value=500)),
        ("1row", MiniBatchSize(unit="rows", value=1)),
        ("0", MiniBatchSize()),
        (0, MiniBatchSize()),
        (None, MiniBatchSize()),
    ],
)
def test_s10_more_sizes_are_accepted(written: object, expected: MiniBatchSize, step: OneStep) -> None:
    assert step({"jobs.s.mini_batch_size": written}).mini_batch_size == expected


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("retry_settings.timeout", 0, "(0, 259200]"),
        ("retry_settings.timeout", 259201, "(0, 259200]"),
        ("retry_settings.max_retries", -1, "[0, int.max]"),
        ("mini_batch_error_threshold", -2, "[-1, int.max]"),
        ("error_threshold", "-2", "[-1, int.max]"),
        ("resources.instance_count", 0, "[1, int.max]"),
        ("resources.instance_count", -1, "[1, int.max]"),
        ("max_concurrency_per_instance", 0, "[1, int.max]"),
        ("max_concurrency_per_instance", 2**31, "[1, int.max]"),
        ("max_concurrency_per_instance", "many", "[1, int.max]"),
        ("task.program_arguments", "--allowed_failed_percent 101", "[0, 100]"),
        ("task.program_arguments", "--error_threshold -2", "[-1, int.max]"),
        ("task.program_arguments", "--task_overhead_timeout=0", "(0, 259200]"),
        ("task.program_arguments", "--progress_update_timeout 300000", "(0, 259200]"),
        ("task.program_arguments", "--resource_monitor_interval -1", "[0, int.max]"),
    ],
)
def test_s11_values_out_of_range_name_the_range(key: str, value: object, allowed: str, refused: Refused) -> None:
    (problem,) = refused({f"jobs.s.{key}": value})
    assert problem.startswith(f"jobs.s.{key}: ")
    assert allowed in problem


def test_s11_the_ends_of_the_ranges_are_accepted(step: OneStep) -> None:
    read = settings(
        step(
            {
                "jobs.s.retry_settings": {"timeout": 259200, "max_retries": 0},
                "jobs.s.mini_batch_error_threshold": -1,
                "jobs.s.resources.instance_count": "3",
                ARGUMENTS: "--allowed_failed_percent 12.5 --resource_monitor_interval 0",
            }
        )
    )
    assert (read.run_timeout_s.value, read.max_retries.value, read.instance_count.value) == (259200.0, 0, 3)
    assert (read.allowed_failed_percent.value, read.resource_monitor_interval_s.value) == (12.5, 0)


def test_s12_logging_level(refused: Refused, step: OneStep) -> None:
    assert "one of DEBUG, INFO, WARNING" in refused({"jobs.s.logging_level": "TRACE"})[0]
    assert settings(step({"jobs.s.logging_level": "debug"})).logging_level.value == "DEBUG"


def test_s21_settings_bound_to_literals(step: OneStep, refused: Refused) -> None:
    read = settings(
        step(
            {
                "inputs": {"n": 7, "size": "3kb"},
                "jobs.s.inputs.c": 4,
                "jobs.s.retry_settings.timeout": "${{parent.inputs.n}}",
                "jobs.s.max_concurrency_per_instance": "${{ inputs.c }}",
            }
        )
    )
    assert (read.run_timeout_s.value, read.max_concurrency_per_instance.value) == (7.0, 4)
    (problem,) = refused({"inputs": {"n": 0}, "jobs.s.retry_settings.timeout": "${{parent.inputs.n}}"})
    assert problem.startswith("jobs.s.retry_settings.timeout: must be a number of seconds in (0, 259200]")
    assert "is data" in refused({"jobs.s.error_threshold": "${{inputs.data}}"})[0]


def test_defaults_and_what_is_computed_from_them(step: OneStep) -> None:
    read = settings(step())
    assert (read.max_retries.value, read.run_timeout_s.value, read.instance_count.value) == (2, 60.0, 1)
    assert read.max_concurrency_per_instance.value is None
    assert (read.error_threshold.value, read.mini_batch_error_threshold.value) == (-1, -1)
    assert read.progress_update_timeout_s == Effective(value=3 * 660.0, origin="computed")
    five = settings(step({"jobs.s.retry_settings.max_retries": 4, ARGUMENTS: "--task_overhead_timeout 40"}))
    assert five.progress_update_timeout_s.value == 5 * 100.0
    none = settings(step({"jobs.s.retry_settings.max_retries": 0}))
    assert none.progress_update_timeout_s.value == 3 * 660.0


def test_s39_keys_win_over_size_with_a_notice(notices: Notices) -> None:
    said = notices({"jobs.s.partition_keys": ["a"], "jobs.s.mini_batch_size": "5"})
    assert any("partition_keys decide" in notice for notice in said)
    assert notices({"jobs.s.partition_keys": ["a"], "jobs.s.mini_batch_size": "0"}) == []


def test_partition_keys(step: OneStep, refused: Refused) -> None:
    assert step({"jobs.s.partition_keys": ["Store", "Brand"]}).partition_keys == ("Store", "Brand")
    bound = {"inputs": {"k": "Store, Brand"}, "jobs.s.partition_keys": "${{parent.inputs.k}}"}
    assert step(bound).partition_keys == ("Store", "Brand")
    assert step({ARGUMENTS: """--partition_keys '["a", "b"]'"""}).partition_keys == ("a", "b")
    assert "twice" in refused({"jobs.s.partition_keys": ["a", "a"]})[0]
    assert "list of column names" in refused({"jobs.s.partition_keys": [{}]})[0]


def test_s55_a_nearly_complete_option_is_understood_with_a_notice(accepted: Accepted) -> None:
    pipeline, notices = accepted({ARGUMENTS: "--resource_monitor_interva 20"})
    step = pipeline.steps[0]
    assert settings(step).resource_monitor_interval_s == Effective(value=20, origin="program_arguments")
    assert any("interpreting --resource_monitor_interva as --resource_monitor_interval" in n.message for n in notices)
    assert step.arguments == ("--resource_monitor_interva", "20")


@pytest.mark.parametrize("arguments", ["--model x", "--mini_batch 3", "--append_row_f x", "--logging_lev DEBUG", "--o x"])
def test_s56_the_scripts_own_arguments_change_nothing(arguments: str, step: OneStep) -> None:
    assert step({ARGUMENTS: arguments}).settings == step().settings
    assert step({ARGUMENTS: arguments}).arguments == tuple(arguments.split())


def test_an_argument_beats_the_attribute_with_a_notice(accepted: Accepted) -> None:
    pipeline, notices = accepted({"jobs.s.error_threshold": 3, ARGUMENTS: "--error_threshold=5 --error_threshold 6"})
    assert settings(pipeline.steps[0]).error_threshold == Effective(value=6, origin="program_arguments")
    assert any("--error_threshold 6 wins over the step's 3" in notice.message for notice in notices)


def test_v1_spellings(step: OneStep) -> None:
    read = settings(
        step(
            {
                ARGUMENTS: "--run_invocation_timeout 9 --run_max_try 4 --allowed_failed_count 2 --process_count_per_node 8 "
                "--append_row_dataframe_header true --append_row_file_name a.csv --rank_mini_batch_count -3"
            }
        )
    )
    assert (read.run_timeout_s.value, read.max_retries.value, read.mini_batch_error_threshold.value) == (9.0, 3, 2)
    assert (read.max_concurrency_per_instance.value, read.append_row_dataframe_header.value) == (8, True)
    assert (read.append_row_file_name.value, read.rank_mini_batch_count.value) == ("a.csv", 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--error_threshold", "needs a value"),
        ("--copy_logs_to_parent --x 1", "needs a value"),
        ("--copy_logs_to_parent maybe", "True or False"),
        ("--append_row_file_name a/b", "file name"),
        ("--append_row_format xml", "text, csv, jsonl, parquet"),
        ("--resume_from ${{inputs.data}}", "needs a literal"),
        ("--a 'b", "no closing quotation"),
    ],
)
def test_bad_options_are_refused(arguments: str, message: str, refused: Refused) -> None:
    (problem,) = refused({ARGUMENTS: arguments})
    assert problem.startswith(ARGUMENTS)
    assert message in problem


def test_output_action(step: OneStep, refused: Refused) -> None:
    assert step({ARGUMENTS: "--output_action SUMMARY_ONLY"}).append_row_to is None
    assert "append_row_to" in refused({"jobs.s.task.append_row_to": None, ARGUMENTS: "--output_action append_row"})[0]


def test_rank_mini_batches_need_no_input(step: OneStep) -> None:
    read = step({"jobs.s.input_data": None, ARGUMENTS: "--rank_mini_batch_count 9"})
    assert read.input_data is None
    assert settings(read).rank_mini_batch_count.value == 9
