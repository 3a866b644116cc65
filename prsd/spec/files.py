"""The user's pipeline file and the files it names → one self-contained document (spec sections 1.5 and 1.8)."""

import os.path
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prsd.spec.located import LocatedMap, locate, plain
from prsd.spec.locations import Local, absolute, classify
from prsd.spec.model import Pipeline
from prsd.spec.overrides import apply_overrides
from prsd.spec.pipeline import parse
from prsd.spec.problems import InvalidPipeline, Problem
from prsd.spec.yaml_document import MAX_TEXT_BYTES, read_yaml

# Each level costs three of the levels that a document may have.
_DEEPEST_NESTING = 16


@dataclass(frozen=True, slots=True)
class LoadedPipeline:
    """A pipeline read from disk; `document` is plain data that `parse_document` accepts on any machine with the files."""

    pipeline: Pipeline
    document: dict[str, Any]
    notices: tuple[Problem, ...]


def load_pipeline(path: Path, overrides: Sequence[str] = ()) -> LoadedPipeline:
    """Read, inline, and check everything, local files included; raises InvalidPipeline with every problem."""
    return _loaded(read_file(path), str(path), path.parent, overrides)


def load_text(text: str, source: str, base: Path, overrides: Sequence[str] = ()) -> LoadedPipeline:
    """The same for a pipeline that is in no file, but in memory: paths are relative to `base`, problems name `source`."""
    return _loaded(read_yaml(text, source), source, base, overrides)


def _loaded(root: object, source: str, base: Path, overrides: Sequence[str]) -> LoadedPipeline:
    if not isinstance(root, LocatedMap):
        raise InvalidPipeline([Problem("", "is no pipeline: a mapping with 'type: pipeline' is expected", source)])
    # The daemon imports this module and never reads a user's files: it need not pay for what looks into them.
    from prsd.spec.local_checks import check_local_things

    inliner = _Inliner(root)
    inliner.problems.extend(apply_overrides(root, overrides))
    inliner.inline(os.path.abspath(base))  # noqa: PTH100 - resolve() would replace the user's symbolic links
    parsed = parse(root)
    check_local_things(parsed.local)
    # A component that could not be read is reported once, by whoever tried to read it.
    told = {problem.path for problem in inliner.problems}
    problems = [*inliner.problems, *(found for found in parsed.findings.problems if found.path not in told)]
    if problems or parsed.pipeline is None:
        raise InvalidPipeline(problems)
    return LoadedPipeline(parsed.pipeline, plain(root), parsed.findings.notices)


def read_file(path: Path) -> object:
    """The data of one YAML file, with lines; raises InvalidPipeline when it cannot be read."""
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise InvalidPipeline([Problem("", f"is larger than {MAX_TEXT_BYTES} bytes", str(path))])
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InvalidPipeline([Problem("", f"cannot be read: {error.strerror or error}", str(path))]) from error
    except ValueError as error:
        raise InvalidPipeline([Problem("", "is not UTF-8 text", str(path))]) from error
    return read_yaml(text, str(path))


class _Inliner:
    """Replaces file references by their contents and relative paths by absolute ones, in place.

    It only touches what has the expected form; everything else is left for the checks that follow.
    """

    def __init__(self, root: LocatedMap) -> None:
        self.problems: list[Problem] = []
        self._root = root

    def inline(self, base: str) -> None:
        self._ports(self._root, base)
        self._component(self._root, base, (), ())
        self._steps(self._root, base, (), ())

    def _steps(self, pipeline: LocatedMap, base: str, path: tuple[str | int, ...], around: tuple[Path, ...]) -> None:
        """The steps of a pipeline or a pipeline component; `around` are the component files that it lies in."""
        jobs = pipeline.get("jobs")
        if not isinstance(jobs, LocatedMap):
            return
        for name, step in jobs.items():
            if isinstance(step, LocatedMap):
                self._component(step, base, (*path, "jobs", name), around)
                self._paths_of(step, base, (*path, "jobs", name))

    def _component(self, holder: LocatedMap, base: str, path: tuple[str | int, ...], around: tuple[Path, ...]) -> None:
        """The component of a step, or of the whole pipeline, with the steps in it where it is a pipeline itself."""
        path = (*path, "component")
        component = holder.get("component")
        if isinstance(component, str) and isinstance(classify(component), Local):
            file = Path(absolute(component, base))
            component = self._component_file(file, path, around)
            if component is None:
                return
            holder["component"], base, around = component, str(file.parent), (*around, file)
        if isinstance(component, LocatedMap):
            self._paths_of(component, base, path)
            self._steps(component, base, path, around)

    def _component_file(self, file: Path, path: tuple[str | int, ...], around: tuple[Path, ...]) -> LocatedMap | None:
        if file not in around and len(around) < _DEEPEST_NESTING:
            return self._read(file, path)
        way = " → ".join(each.name for each in [*around, file])
        self._problem(path, f"the component holds itself, or is nested deeper than {_DEEPEST_NESTING} files: {way}")
        return None

    def _paths_of(self, step: LocatedMap, base: str, path: tuple[str | int, ...]) -> None:
        """Everything of a step or a component that may be a path, relative to the file it is written in."""
        self._ports(step, base)
        for key, holder in (("", step), ("task", step.get("task"))):
            if isinstance(holder, LocatedMap):
                _absolutise(holder, "code", base)
                self._environment(holder, base, (*path, *([key] if key else []), "environment"))

    def _ports(self, holder: LocatedMap, base: str) -> None:
        for ports in (holder.get("inputs"), holder.get("outputs")):
            if not isinstance(ports, LocatedMap):
                continue
            for port in ports.values():
                if isinstance(port, LocatedMap):
                    _absolutise(port, "path", base)
                    if str(port.get("type")) in ("uri_file", "uri_folder", "mltable", "path"):
                        _absolutise(port, "default", base)

    def _environment(self, holder: LocatedMap, base: str, path: tuple[str | int, ...]) -> None:
        written = holder.get("environment")
        if isinstance(written, str) and written.startswith("file:"):
            file = Path(absolute(written, base))
            read = self._read(file, path)
            if read is None:
                return
            holder["environment"], base = read, str(file.parent)
        environment = holder.get("environment")
        if isinstance(environment, LocatedMap):
            self._conda_file(environment, base, (*path, "conda_file"))
            build = environment.get("build")
            if isinstance(build, LocatedMap):
                _absolutise(build, "path", base)

    def _conda_file(self, environment: LocatedMap, base: str, path: tuple[str | int, ...]) -> None:
        """Inlined, so that the document says all of what was asked for."""
        written = environment.get("conda_file")
        if isinstance(written, str):
            read = self._read(Path(absolute(written, base)), path)
            if read is not None:
                environment["conda_file"] = read

    def _read(self, file: Path, path: tuple[str | int, ...]) -> LocatedMap | None:
        try:
            data = read_file(file)
        except InvalidPipeline as error:
            for problem in error.problems:
                if problem.line is None:
                    # Nothing could be read: the mistake is where the file is named, not in it.
                    self._problem(path, f"{file} {problem.message}")
                else:
                    self.problems.append(replace(problem, path=_dotted(path)))
            return None
        if isinstance(data, LocatedMap):
            return data
        self._problem(path, f"{file} does not hold a mapping")
        return None

    def _problem(self, path: tuple[str | int, ...], message: str) -> None:
        self.problems.append(Problem(_dotted(path), message, *locate(self._root, path)))


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(str(key) for key in path)


def _absolutise(holder: LocatedMap, key: str, base: str) -> None:
    value = holder.get(key)
    if isinstance(value, str):
        holder[key] = absolute(value, base)
