"""`environment` in all its forms (spec section 1.8). So far each resolves to the agent's own interpreter, with a notice."""

import re

from prsd.spec.keys import BUILD_KEYS, ENVIRONMENT_KEYS
from prsd.spec.model import PlannedEnvironment
from prsd.spec.node import Node
from prsd.spec.problems import shown

_NAMED = re.compile(r"azureml:[^:@/\s]+(?::[^:@/\s]+|@[^:@/\s]+)|azureml://registries/[^/\s]+/environments/[^\s]+")


def read_environment(node: Node) -> PlannedEnvironment:
    """What was asked for, checked for its form, and where the script runs instead."""
    if not node.is_set:
        return PlannedEnvironment()
    requested = _inline(node) if isinstance(node.value, dict) else _reference(node)
    if requested is None:
        return PlannedEnvironment()
    notice = f"asked for {requested}; the script runs in the agent's own interpreter (host)"
    node.notice(notice)
    return PlannedEnvironment(requested=requested, notice=notice)


def _reference(node: Node) -> str | None:
    text = node.text()
    if text is None:
        return None
    if _NAMED.fullmatch(text):
        return f"the environment {shown(text)}"
    if text.startswith("file:"):
        node.problem("environment files are read where the pipeline is submitted from: submit with prsctl")
    else:
        node.problem(
            f"{shown(text)} is no environment: write azureml:<name>:<version>, azureml:<name>@latest, "
            "file:./environment.yml, or a mapping with 'image'"
        )
    return None


def _inline(node: Node) -> str | None:
    node.refuse_unknown_keys(ENVIRONMENT_KEYS)
    image, build, conda = (node.child(key) for key in ("image", "build", "conda_file"))
    if image.is_set and build.is_set:
        build.problem("'build' and 'image' exclude each other")
    if not (image.is_set or build.is_set or conda.is_set):
        node.problem("needs an 'image', a 'build' or a 'conda_file'")
        return None
    parts = []
    if image.is_set:
        parts.append(f"the image {shown(image.text() or '')}")
    if build.is_set:
        build.refuse_unknown_keys(BUILD_KEYS)
        parts.append("an image built from a Dockerfile")
    if conda.is_set:
        parts.append("a conda file")
    return " with ".join(parts)
