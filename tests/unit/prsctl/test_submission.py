"""What is sent to the daemon: the document with code folders replaced by snapshots."""

from prsctl.submission import _with_snapshots

SNAPSHOTS = {"/code/a": "snapshot:aa", "/code/b": "snapshot:bb"}


def test_code_of_steps_tasks_and_components_is_replaced() -> None:
    document = {
        "jobs": {
            "one": {"type": "command", "code": "/code/a"},
            "two": {"task": {"code": "/code/b"}, "component": {"task": {"code": "/code/a"}}},
            "three": {"code": "/elsewhere"},
        }
    }
    assert _with_snapshots(document, SNAPSHOTS)["jobs"] == {
        "one": {"type": "command", "code": "snapshot:aa"},
        "two": {"task": {"code": "snapshot:bb"}, "component": {"task": {"code": "snapshot:aa"}}},
        "three": {"code": "/elsewhere"},
    }


def test_names_that_people_chose_are_left_alone() -> None:
    document = {
        "inputs": {"code": "/code/a"},
        "jobs": {"code": {"environment_variables": {"code": "/code/a"}, "inputs": {"code": "/code/b"}}},
        "tags": {"code": "/code/a"},
    }
    assert _with_snapshots(document, SNAPSHOTS) == document


def test_code_in_nested_pipelines_and_of_steps_with_any_name_is_replaced() -> None:
    step = {"code": "/code/a"}
    document = {"jobs": {"inputs": step, "outer": {"component": {"type": "pipeline", "jobs": {"tags": step}}}}}
    replaced = {"code": "snapshot:aa"}
    assert _with_snapshots(document, SNAPSHOTS)["jobs"] == {
        "inputs": replaced,
        "outer": {"component": {"type": "pipeline", "jobs": {"tags": replaced}}},
    }
