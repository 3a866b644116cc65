"""URIs and paths: the one module that turns each into the other and joins them.

Everything is addressed by URI; for now only `file:` URIs lead to data, and an absolute path may stand for one. In a URI
every byte of a path but letters, digits and `/-._~` is percent-encoded, so spaces, `#`, `%` and names that are not UTF-8
come back as they were.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=:)")


class UnsupportedUri(ValueError):  # noqa: N818  (named for what it says about the URI)
    """The text is no URI that leads to a folder or file of this machine; the message says why and what would be."""


def path_of(uri: str) -> Path:
    """The path that a `file:` URI or an absolute path names. UnsupportedUri for everything else."""
    if uri.startswith("/"):
        return _checked(uri, uri)
    scheme = _SCHEME.match(uri)
    if scheme is None:
        raise UnsupportedUri(f"{uri!r} is neither a file: URI nor an absolute path; write file:///folder/name")
    if scheme[0].lower() != "file":
        raise UnsupportedUri(f"{uri!r} has the scheme {scheme[0]!r}; only file: URIs and absolute paths can be read here")
    return _checked(os.fsdecode(unquote_to_bytes(_encoded_path(uri, uri[scheme.end() + 1 :]))), uri)


def uri_of(path: Path) -> str:
    """The `file:` URI of an absolute path; ValueError when it is relative."""
    if not path.is_absolute():
        raise ValueError(f"{str(path)!r} is relative; only an absolute path has a URI")
    return "file://" + quote_from_bytes(os.fsencode(path), safe="/-._~")


def join(uri: str, *parts: str) -> str:
    """The URI of what lies below `uri`: each part is a relative path as people write it, not percent-encoded. ValueError
    when a part is absolute or climbs with `..`, UnsupportedUri when `path_of` raises it."""
    path = path_of(uri)
    for part in parts:
        if part.startswith("/") or ".." in part.split("/") or "\0" in part:
            raise ValueError(f"{part!r} does not lie below {uri!r}: write a relative path without '..'")
        path /= part
    return uri_of(path)


def _encoded_path(uri: str, rest: str) -> str:
    """The path of `file:PATH` or `file://[localhost]PATH`, still percent-encoded."""
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host.lower() not in ("", "localhost"):
            raise UnsupportedUri(f"{uri!r} lies on the machine {host!r}; write file:///folder/name for this machine's files")
        rest = slash + path
    if not rest.startswith("/"):
        raise UnsupportedUri(f"{uri!r} names no absolute path; write file:///folder/name")
    if "?" in rest or "#" in rest:
        raise UnsupportedUri(f"{uri!r} has a query or a fragment; in a file's name write %3F for '?' and %23 for '#'")
    return rest


def _checked(path: str, uri: str) -> Path:
    if "\0" in path:
        raise UnsupportedUri(f"{uri!r} holds a zero byte, which no path can")
    return Path(path)
