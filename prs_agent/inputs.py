"""What `${{inputs.x}}` and `${{outputs.y}}` stand for on this node (spec section 1.6)."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from secrets import token_hex

from prs_agent.patience import passing_reason
from prsd.base import uris
from prsd.v1 import agents_pb2 as pb


class CopyingStoppedError(Exception):
    """An input cannot be copied to this node now; its cause is an error that passes."""


class InputMissingError(Exception):
    """What an input names cannot be read on this node; to try again elsewhere does not help."""


def resolve_inputs(definition: pb.StepDefinition, downloads: Path) -> dict[str, str]:
    """The value of each input: a literal, or a local path by its mode. Blocks while it copies.

    `ro_mount`, `direct`, `eval_mount` and `eval_download` give the path itself (the files that an evaluated table yields are
    found where the input is divided); `download` gives a copy below `downloads`, made once: the folder is the step's.
    InputMissingError names the input; CopyingStoppedError when it is worth to try again.
    """
    return {each.name: resolve_input(each, downloads) for each in definition.inputs}


def resolve_input(each: pb.Input, downloads: Path) -> str:
    """The value of one input; see `resolve_inputs`."""
    if each.type == "literal":
        return each.value
    try:
        path = uris.path_of(each.uri)
    except ValueError as error:
        raise InputMissingError(f"input {each.name!r}: {error}") from error
    if not path.exists():
        raise InputMissingError(f"input {each.name!r}: there is no {path} on this node (given as {each.uri})")
    if each.mode == "download":
        return str(_downloaded(path, each, downloads))
    return str(path)


def _downloaded(source: Path, each: pb.Input, downloads: Path) -> Path:
    """A full copy, made under a temporary name, so that one that is there is whole. Two may be made at once; one stays."""
    folder = downloads / hashlib.sha256(each.uri.encode()).hexdigest()[:32]
    target = folder / (source.name or "data")
    if target.exists():
        return target
    partial = downloads / f".partial-{token_hex(8)}"
    partial.mkdir(parents=True)
    try:
        if source.is_dir():
            shutil.copytree(source, partial / target.name, copy_function=_copy)
        else:
            _copy(str(source), str(partial / target.name))
        partial.rename(folder)
    except CopyingStoppedError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        if not target.exists():
            raise InputMissingError(f"input {each.name!r} cannot be copied to this node: {error}") from error
    return target


def _copy(source: str, target: str) -> None:
    """As shutil.copy2, but errors that pass come out of copytree, which makes one text of all others."""
    try:
        shutil.copy2(source, target)
    except OSError as error:
        if passing_reason(error):
            raise CopyingStoppedError(str(error)) from error
        raise


def resolve_outputs(definition: pb.StepDefinition) -> dict[str, str]:
    """The writable path of each output. The folder, or the parent of a file, exists before user code starts."""
    paths: dict[str, str] = {}
    for each in definition.outputs:
        path = uris.path_of(each.uri)
        (path.parent if each.type == "uri_file" else path).mkdir(parents=True, exist_ok=True)
        paths[each.name] = str(path)
    return paths


def expression_values(inputs: dict[str, str], outputs: dict[str, str]) -> dict[str, str]:
    """Both, keyed as they are written in expressions."""
    return {f"inputs.{name}": value for name, value in inputs.items()} | {
        f"outputs.{name}": value for name, value in outputs.items()
    }
