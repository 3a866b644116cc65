"""Where things lie: the forms of a path (spec section 1.6), and how a path becomes a URI. Nothing here opens a file."""

import os.path
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from prsd.spec.model import DEFAULT_DATASTORE
from prsd.spec.problems import shown

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_DATASTORE = re.compile(r"azureml://(?:[^?#]*/)?datastores/([^/]+)/paths(?:/(.*))?")
_SNAPSHOT = re.compile(r"snapshot:[0-9a-f]{64}")
_ASSET = re.compile(r"[^/:@]+[:@][^/:@]+")
REMOTE_SCHEMES = frozenset(["s3", "gs", "abfs", "abfss", "hdfs", "http", "https", "wasb", "wasbs", "adl"])


@dataclass(frozen=True, slots=True)
class Local:
    """A path on a file system: absolute once `load_pipeline` has seen it."""

    path: str

    @property
    def is_absolute(self) -> bool:
        return self.path.startswith("/")


@dataclass(frozen=True, slots=True)
class InDatastore:
    """`azureml://datastores/<name>/paths/<path>`."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Remote:
    """A URI that an agent's storage layer opens."""

    uri: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A form that is not supported, with the reason and the way out."""

    message: str


Location = Local | InDatastore | Remote | Refused


def classify(text: str) -> Location:
    """Which form of path a text is."""
    if not text or any(character < " " for character in text):
        return Refused("is no path: it is empty or holds control characters")
    if text.startswith("azureml://"):
        return _in_datastore(text)
    if text.startswith("azureml:"):
        return _azureml(text.removeprefix("azureml:"))
    if text.startswith("file:"):
        return _file(text)
    scheme = _SCHEME.match(text)
    if scheme is None or "/" in text[: scheme.end()]:
        return Local(text)
    if scheme[1].lower() in REMOTE_SCHEMES:
        return Remote(text)
    known = ", ".join(sorted({*REMOTE_SCHEMES, "azureml", "file"}))
    return Refused(f"{shown(text)} has a scheme that is not supported (supported: {known})")


def is_snapshot(text: str) -> bool:
    """An uploaded code folder, named by the digest of its contents."""
    return _SNAPSHOT.fullmatch(text) is not None


def absolute(text: str, base: str) -> str:
    """A local path as a plain absolute one; every other form as it is."""
    location = classify(text)
    if not isinstance(location, Local) or location.path.startswith("${{"):
        return text
    return os.path.normpath(os.path.join(base, location.path))  # noqa: PTH118 - pathlib would not fold ".."


def to_uri(text: str, datastore_uri: str) -> str:
    """The URI of a checked path."""
    location = classify(text)
    if isinstance(location, InDatastore):
        return join(datastore_uri, location.path)
    if isinstance(location, Local):
        return "file://" + quote(location.path)
    return location.uri if isinstance(location, Remote) else text


def join(root: str, path: str) -> str:
    """A path below a root; only `file:` URIs are percent-encoded, object stores take keys as they are."""
    below = quote(path) if root.startswith("file:") else path
    return f"{root.rstrip('/')}/{below}".rstrip("/")


def _in_datastore(text: str) -> Location:
    match = _DATASTORE.fullmatch(text)
    if match is None:
        return Refused(f"{shown(text)} is not of the form azureml://datastores/<name>/paths/<path>")
    name, path = match[1], match[2] or ""
    if ".." in PurePosixPath(path).parts:
        return Refused(f"{shown(text)} leaves the datastore: '..' is not allowed in it")
    if name not in (DEFAULT_DATASTORE, "${{default_datastore}}"):
        return Refused(f"there is no datastore {shown(name)}: only '{DEFAULT_DATASTORE}' exists")
    return InDatastore(name, path.strip("/"))


def _azureml(rest: str) -> Location:
    """The SDK's dump writes this prefix before every path, whatever its form (spec section 8.3)."""
    if _ASSET.fullmatch(rest) is None:
        return classify(rest)
    return Refused(
        f"'azureml:{rest[:60]}' is a registered data asset, which is not supported: write a path, or "
        f"azureml://datastores/{DEFAULT_DATASTORE}/paths/…"
    )


def _file(text: str) -> Location:
    rest = text.removeprefix("file:")
    if not rest.startswith("//"):
        return Local(rest) if rest else Refused("'file:' is followed by no path")
    try:
        parts = urlsplit(text)
    except ValueError:
        return Refused(f"{shown(text)} is no file URI")
    if parts.netloc not in ("", "localhost"):
        return Refused(f"{shown(text)} names another machine: write file:///path")
    return Local(unquote(parts.path)) if parts.path else Refused(f"{shown(text)} holds no path")
