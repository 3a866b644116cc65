"""Who belongs to a worker, told from a process table."""

from prs_agent.children import Process, Tree, divide_by_owner

TOP = 10
A = Tree("a", 100, False, {})
B = Tree("b", 200, False, {})


def _table(*rows: tuple[int, int, int]) -> dict[int, Process]:
    """Of rows (pid, parent, session), beside the spawner itself and its parent."""
    own = [(1, 0, 1), (TOP, 1, TOP)]
    return {pid: Process(pid, parent, session, session, False, pid) for pid, parent, session in [*own, *rows]}


def _owners(table: dict[int, Process], *trees: Tree, markers: dict[int, str] | None = None) -> dict[str, list[int]]:
    owned = divide_by_owner(table, TOP, trees, (markers or {}).get)
    return {worker: sorted(process.pid for process in processes) for worker, processes in owned.items()}


WORKERS = ((100, TOP, 100), (200, TOP, 200))


def test_descendants_belong_whatever_their_session() -> None:
    table = _table(*WORKERS, (101, 100, 100), (102, 101, 102), (201, 200, 200))
    assert _owners(table, A, B) == {"a": [100, 101, 102], "b": [200, 201]}


def test_an_orphan_is_told_by_its_session() -> None:
    assert _owners(_table(*WORKERS, (101, TOP, 100)), A, B) == {"a": [100, 101], "b": [200]}


def test_an_orphan_is_told_by_its_environment_with_all_below_it() -> None:
    table = _table(*WORKERS, (101, TOP, 101), (102, 101, 102))
    assert _owners(table, A, B, markers={101: "b"}) == {"a": [100], "b": [101, 102, 200]}


def test_an_orphan_is_told_by_the_session_of_one_that_is_known() -> None:
    table = _table(*WORKERS, (101, 100, 101), (102, TOP, 101))
    assert _owners(table, A, B) == {"a": [100, 101, 102], "b": [200]}


def test_an_orphan_is_told_by_a_former_look_unless_its_pid_was_given_away() -> None:
    table = _table(*WORKERS, (101, TOP, 101))
    assert _owners(table, A._replace(seen={101: 101}), B) == {"a": [100, 101], "b": [200]}
    assert _owners(table, A._replace(seen={101: 55}), B) == {"a": [100], "b": [200]}


def test_an_orphan_that_hides_belongs_to_the_last_worker() -> None:
    table = _table(*WORKERS, (101, TOP, 101))
    assert _owners(table, A, B) == {"a": [100], "b": [200]}
    assert _owners(_table((200, TOP, 200), (101, TOP, 101)), B) == {"b": [101, 200]}


def test_a_marker_of_another_spawner_says_nothing() -> None:
    table = _table(*WORKERS, (101, TOP, 101))
    assert _owners(table, A, B, markers={101: "stranger"}) == {"a": [100], "b": [200]}


def test_a_pid_that_was_given_to_another_worker_is_that_workers() -> None:
    gone = Tree("gone", 100, True, {})
    assert _owners(_table(*WORKERS), gone, A, B) == {"gone": [], "a": [100], "b": [200]}


def test_a_worker_that_has_not_left_the_spawners_session_claims_nobody_by_it() -> None:
    table = _table((100, TOP, TOP), (200, TOP, 200), (300, TOP, TOP))
    assert _owners(table, A, B) == {"a": [100], "b": [200]}


def test_processes_that_are_not_below_the_spawner_are_never_touched() -> None:
    table = _table(*WORKERS, (400, 1, 100), (401, 400, 401), (500, 501, 1), (501, 500, 1))
    assert _owners(table, A, B, markers={400: "a", 401: "a", 500: "a"}) == {"a": [100], "b": [200]}
