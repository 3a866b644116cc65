"""The order of steps follows from their bindings alone; a cycle has none (spec section 1.3)."""

from collections.abc import Mapping

from prsd.spec.node import Node

Graph = Mapping[str, Mapping[str, Node]]


def report_cycles(graph: Graph) -> None:
    """Each cycle once, as a path that ends where it starts, at the binding that closes it."""
    finished: set[str] = set()
    for start in graph:
        if start not in finished:
            _search(graph, start, finished)


def _search(graph: Graph, start: str, finished: set[str]) -> None:
    """Depth first with a stack of its own: a chain of steps may be longer than the interpreter's stack is deep."""
    path = [start]
    on_path = {start}
    pending = [iter(graph[start])]
    while path:
        following = next(pending[-1], None)
        if following is None:
            finished.add(path[-1])
            on_path.discard(path.pop())
            pending.pop()
        elif following in on_path:
            cycle = [*path[path.index(following) :], following]
            graph[path[-1]][following].problem(f"the steps wait for each other: {' → '.join(cycle)}")
        elif following not in finished and following in graph:
            path.append(following)
            on_path.add(following)
            pending.append(iter(graph[following]))
