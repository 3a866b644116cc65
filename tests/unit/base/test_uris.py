"""URIs and paths lead to each other without loss; everything that is not here is refused by name."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prsd.base.uris import UnsupportedUri, join, path_of, uri_of

NAMES = st.binary(min_size=1, max_size=12).filter(
    lambda name: b"\0" not in name and b"/" not in name and name not in (b".", b"..")
)


@given(st.lists(NAMES, max_size=4))
def test_any_path_comes_back_from_its_uri(names: list[bytes]) -> None:
    path = Path(os.fsdecode(b"/" + b"/".join(names)))
    assert path_of(uri_of(path)) == path
    assert uri_of(path).isascii()


@given(st.lists(NAMES, min_size=1, max_size=3))
def test_joined_names_lie_below(names: list[bytes]) -> None:
    parts = [os.fsdecode(name) for name in names]
    assert path_of(join("file:///top", *parts)) == Path("/top", *parts)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/data/a b", "/data/a b"),
        ("/data/100%25", "/data/100%25"),  # a plain path is never decoded
        ("file:///data/a%20b", "/data/a b"),
        ("file:/data", "/data"),
        ("FILE://localhost/data", "/data"),
        ("file:///gr%C3%BC%C3%9Fe%23%3F%25", "/grüße#?%"),
        ("file:///grüße", "/grüße"),
        ("file:///", "/"),
    ],
)
def test_a_local_uri_names_a_path(uri: str, path: str) -> None:
    assert path_of(uri) == Path(path)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("azureml://datastores/x/paths/y", "scheme 'azureml'"),
        ("s3://bucket/key", "scheme 's3'"),
        ("snapshot:abc", "scheme 'snapshot'"),
        ("file://server/share", "machine 'server'"),
        ("file:data", "no absolute path"),
        ("file://", "no absolute path"),
        ("data/x", "neither"),
        ("", "neither"),
        ("file:///a#b", "%23"),
        ("file:///a?b", "%3F"),
        ("file:///a%00b", "zero byte"),
        ("/a\0b", "zero byte"),
    ],
)
def test_what_is_not_here_is_refused(uri: str, reason: str) -> None:
    with pytest.raises(UnsupportedUri, match=reason):
        path_of(uri)


def test_special_characters_are_encoded() -> None:
    assert uri_of(Path("/a b/ü%#?")) == "file:///a%20b/%C3%BC%25%23%3F"


def test_a_relative_path_has_no_uri() -> None:
    with pytest.raises(ValueError, match="relative"):
        uri_of(Path("a"))


@pytest.mark.parametrize("part", ["/etc", "..", "a/../b", "a\0"])
def test_nothing_is_joined_that_does_not_lie_below(part: str) -> None:
    with pytest.raises(ValueError, match="does not lie below"):
        join("file:///top", part)


def test_joining_takes_paths_and_plain_folders() -> None:
    assert join("/top/", "a/b", "c d") == "file:///top/a/b/c%20d"
