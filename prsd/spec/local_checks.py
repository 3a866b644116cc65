"""What lies in local folders: whether paths, code, entry scripts and MLTable files are what the pipeline says they are.

Only whoever has the files can check them, so `load_pipeline` does and `parse_document` does not.
"""

import os.path
from pathlib import Path

from prsd.base.mltable.load import FILE_NAME, parse_mltable
from prsd.base.mltable.words import MLTableError
from prsd.spec.entry_script import check_entry_script
from prsd.spec.node import Node
from prsd.spec.problems import InvalidPipeline, did_you_mean
from prsd.spec.step_context import LocalThings
from prsd.spec.step_ports import LocalData
from prsd.spec.yaml_document import MAX_TEXT_BYTES, read_yaml


def check_local_things(local: LocalThings) -> None:
    """Report everything that is missing or not what it should be."""
    for data in local.data:
        _check_data(data)
    for node in local.code:
        _check_code(node)
    for node, code in local.scripts:
        if code is not None and os.path.isdir(code):  # noqa: PTH112 - pathlib raises for names that are too long
            check_entry_script(node, Path(code))


def _check_data(data: LocalData) -> None:
    if not os.path.exists(data.path):  # noqa: PTH110 - pathlib raises for names that are too long
        data.at.problem(f"{data.path} does not exist{_neighbour(data.path)}")
        return
    is_folder = Path(data.path).is_dir()
    if data.type == "uri_file" and is_folder:
        data.at.problem(f"{data.path} is a folder, but type uri_file needs a file: write 'type: uri_folder'")
    elif data.type in ("uri_folder", "mltable") and not is_folder:
        hint = "write 'type: uri_file'" if data.type == "uri_folder" else "name the folder that holds the MLTable file"
        data.at.problem(f"{data.path} is a file, but type {data.type} needs a folder: {hint}")
    elif data.type == "mltable":
        _check_mltable(Path(data.path) / FILE_NAME, data.at)


def _check_mltable(file: Path, at: Node) -> None:
    """What it says; whether that fits the columns of its data is for whoever divides the input."""
    try:
        if file.stat().st_size > MAX_TEXT_BYTES:
            at.problem(f"{file} is larger than {MAX_TEXT_BYTES} bytes")
            return
        content = file.read_bytes()
        read_yaml(content.decode("utf-8-sig"), str(file))
    except OSError:
        at.problem(f"{file.parent} holds no readable file named '{FILE_NAME}', which type mltable needs")
    except ValueError:
        at.problem(f"{file} is not UTF-8 text")
    except InvalidPipeline as error:
        for problem in error.problems:
            at.problem(f"{file}:{problem.line or 1}: {problem.message}")
    else:
        try:
            parse_mltable(str(file.parent), content)
        except MLTableError as error:
            at.problem(str(error))


def _check_code(node: Node) -> None:
    path = node.text() or ""
    if not os.path.exists(path):  # noqa: PTH110 - pathlib raises for names that are too long
        node.problem(f"the code folder {path} does not exist{_neighbour(path)}")
    elif not Path(path).is_dir():
        node.problem(f"{path} is a file: name the folder it lies in")


def _neighbour(path: str) -> str:
    """A guess among what does lie in the parent folder."""
    try:
        names = sorted(entry.name for entry in Path(path).parent.iterdir())
    except OSError:
        return ""
    return did_you_mean(Path(path).name, names)
