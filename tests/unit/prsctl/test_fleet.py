"""Workers in total at most --max-workers, never less than one per instance, with a notice when that cuts."""

import json

import pytest

from prsctl.fleet import Fleet, default_max_workers, fleet_for
from prsd.spec import Pipeline, parse_document


def pipeline_of(*steps: tuple[int, int | None]) -> Pipeline:
    """A pipeline of parallel steps with these (instance_count, max_concurrency_per_instance)."""
    jobs = {}
    for number, (instances, concurrency) in enumerate(steps):
        jobs[f"s{number}"] = {
            "type": "parallel",
            "compute": "local",
            "resources": {"instance_count": instances},
            **({} if concurrency is None else {"max_concurrency_per_instance": concurrency}),
            "inputs": {"data": {"type": "uri_folder", "path": "/data"}},
            "input_data": "${{inputs.data}}",
            "task": {
                "type": "run_function",
                "code": f"snapshot:{'0' * 64}",
                "entry_script": "s.py",
                "environment": "azureml:any@latest",
            },
        }
    pipeline, _ = parse_document(json.dumps({"type": "pipeline", "jobs": jobs}))
    return pipeline


def test_an_even_share_for_the_largest_step() -> None:
    assert fleet_for(pipeline_of((2, 3), (1, 2)), max_workers=8) == Fleet(agents=2, slots=3)


def test_a_cut_is_told() -> None:
    fleet = fleet_for(pipeline_of((2, 8)), max_workers=6)
    assert (fleet.agents, fleet.slots) == (2, 3)
    assert fleet.notices == ("step s0 asks for 2 x 8 workers; on this machine it gets 2 x 3, because of --max-workers 6",)


def test_never_less_than_one_worker_for_an_instance() -> None:
    fleet = fleet_for(pipeline_of((5, 1)), max_workers=2)
    assert (fleet.agents, fleet.slots, fleet.notices) == (5, 1, ())


def test_a_step_that_asks_for_nothing_is_not_told_of_a_cut() -> None:
    fleet = fleet_for(pipeline_of((1, None)), max_workers=1)
    assert fleet == Fleet(agents=1, slots=1)


def test_default_is_four_at_least() -> None:
    assert default_max_workers() >= 4


@pytest.mark.parametrize("steps", [(), ((1, 1),)])
def test_one_agent_at_least(steps: tuple[tuple[int, int], ...]) -> None:
    pipeline = pipeline_of(*steps) if steps else Pipeline()
    assert fleet_for(pipeline, max_workers=4).agents == 1
