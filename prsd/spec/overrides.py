"""`--set jobs.x.resources.instance_count=3`: changes of the document by dotted path (spec section 1.8)."""

from collections.abc import Sequence

from prsd.spec.located import MAX_DEPTH, LocatedList, LocatedMap
from prsd.spec.problems import InvalidPipeline, Problem, shown
from prsd.spec.yaml_document import read_yaml, scalar

_SOURCE = "--set"


def apply_overrides(root: LocatedMap, overrides: Sequence[str]) -> list[Problem]:
    """Change `root` in place; a list element is named by its index, and the index after the last one appends."""
    problems: list[Problem] = []
    for override in overrides:
        path, equals, text = override.partition("=")
        keys = path.strip().split(".")
        if not equals or not all(keys) or len(keys) > MAX_DEPTH:
            problems.append(Problem(path, f"{shown(override)} is no override: write key.key=value", _SOURCE))
            continue
        try:
            _set(root, keys, _value(text))
        except InvalidPipeline as error:
            problems.extend(Problem(path, problem.message, _SOURCE) for problem in error.problems)
        except (KeyError, IndexError) as error:
            problems.append(Problem(path, str(error.args[0]), _SOURCE))
    return problems


def _value(text: str) -> object:
    """A scalar as YAML would read it, or a list or mapping in brackets; anything else is the text that was given."""
    return read_yaml(text, _SOURCE) if text[:1] in ("[", "{", "'", '"') else scalar(text)


def _set(root: LocatedMap, keys: Sequence[str], value: object) -> None:
    here: object = root
    for position, key in enumerate(keys):
        is_last = position == len(keys) - 1
        if isinstance(here, LocatedList):
            here = _set_element(here, key, value, is_last)
        elif isinstance(here, LocatedMap):
            here = _set_key(here, key, value, is_last)
        else:
            raise KeyError(f"'{'.'.join(keys[:position])}' is {shown(here)}, which has no '{key}'")


def _set_key(here: LocatedMap, key: str, value: object, is_last: bool) -> object:
    if is_last:
        here[key] = value
        # The line is that of the value which was replaced.
        here.lines.pop(key, None)
    elif here.get(key) is None:
        here[key] = LocatedMap(_SOURCE)
    return here[key]


def _set_element(here: LocatedList, key: str, value: object, is_last: bool) -> object:
    index = int(key) if key.isascii() and key.isdecimal() and len(key) < 7 else -1
    if not 0 <= index <= len(here):
        raise IndexError(f"'{key}' is no index of a list of {len(here)}")
    if index == len(here):
        here.append(None)
        here.lines.append(0)
    if is_last:
        here[index] = value
        here.lines[index] = 0
    elif here[index] is None:
        here[index] = LocatedMap(_SOURCE)
    return here[index]
