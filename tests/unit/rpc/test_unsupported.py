"""What is accepted and does nothing is said, for each step that asks for it."""

from __future__ import annotations

import json

from prsd.rpc.unsupported import unsupported
from prsd.spec import parse_document


def notices(arguments: str) -> list[str]:
    task = {"type": "run_function", "code": "snapshot:" + "0" * 64, "entry_script": "e.py"}
    task["program_arguments"] = f"--rank_mini_batch_count 1 {arguments}"
    step = {"type": "parallel", "compute": "local", "task": task}
    pipeline, _ = parse_document(json.dumps({"type": "pipeline", "jobs": {"score": step}}))
    return [f"{each.path}: {each.message.split()[0]}" for each in unsupported(pipeline)]


def test_each_option_without_effect_is_named() -> None:
    where = "jobs.score.task.program_arguments"
    assert notices("--amlbi_async_mode true --metrics_name_prefix x --push_metrics_to_parent True") == [
        f"{where}: --amlbi_async_mode",
        f"{where}: --metrics_name_prefix",
        f"{where}: --push_metrics_to_parent",
    ]


def test_options_with_effect_or_switched_off_are_not() -> None:
    assert notices("--amlbi_async_mode False --push_metrics_to_parent False --profiling_module cProfile") == []
