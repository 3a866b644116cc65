"""Plain data that remembers the file and line of every key, and the limits of its size."""

from typing import Any

MAX_DEPTH = 64
MAX_NODES = 100_000


class LocatedMap(dict[str, object]):
    """A mapping that knows the file and the line of each of its keys."""

    def __init__(self, file: str | None) -> None:
        super().__init__()
        self.file = file
        self.lines: dict[str, int] = {}


class LocatedList(list[object]):
    """A list that knows the file and the line of each of its elements."""

    def __init__(self, file: str | None) -> None:
        super().__init__()
        self.file = file
        # 0 where there is no line.
        self.lines: list[int] = []


def locate(root: object, path: tuple[str | int, ...]) -> tuple[str | None, int | None]:
    """File and line of the deepest part of `path` that is known."""
    place: tuple[str | None, int | None] = (getattr(root, "file", None), None)
    here = root
    for key in path:
        if isinstance(here, LocatedMap) and isinstance(key, str) and key in here:
            place = (here.file, here.lines.get(key))
        elif isinstance(here, LocatedList) and isinstance(key, int) and key < len(here):
            place = (here.file, here.lines[key] or None)
        here = child_of(here, key)
        if here is None:
            break
    return place


def child_of(container: object, key: str | int) -> object:
    """What `container` holds under `key`; None where it holds nothing."""
    if isinstance(container, dict) and isinstance(key, str):
        return container.get(key)
    if isinstance(container, list) and isinstance(key, int) and 0 <= key < len(container):
        return container[key]
    return None


def plain(value: object) -> Any:
    """The same data without locations, in containers of its own."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def well_formed(text: str) -> str:
    """The text without halves of surrogate pairs, which no file and no message could hold."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def copied(value: object) -> object:
    """A copy that keeps its locations."""
    if isinstance(value, LocatedMap):
        copy = LocatedMap(value.file)
        copy.update((key, copied(item)) for key, item in value.items())
        copy.lines.update(value.lines)
        return copy
    if isinstance(value, LocatedList):
        items = LocatedList(value.file)
        items.extend(copied(item) for item in value)
        items.lines.extend(value.lines)
        return items
    return value
