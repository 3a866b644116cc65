from __future__ import annotations

import time

import pytest

from prsd.core.facts import FailureRecorded, StartFailureRecorded
from prsd.core.vocabulary import Failure, Phase, StartError, StepId
from prsd.store.error_groups import DISTINCT_LIMIT, OTHER, ErrorGroups, normalised
from prsd.store.rows import ErrorGroup

STEP = StepId("job", "score")


def failed(index: int, message: str, phase: Phase = Phase.RUN, kind: str = "exception") -> FailureRecorded:
    return FailureRecorded(Failure(STEP, 1, phase, index, kind, message, f"traceback of {index}"), False)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("ValueError: row 17 is bad", "ValueError: row N is bad"),
        ("<obj at 0x7f2aC0>", "<obj at N>"),
        ("cannot open /data/img_001.png", "cannot open /data/img_001.png"),
        ("cannot open '/data/01.png', errno 2", "cannot open '/data/01.png', errno N"),
        ("./a/1.csv line 3", "./a/1.csv line N"),
        ("part2/file3.csv: 4 columns", "part2/file3.csv: N columns"),
        ("s3://bucket7/key8 gave 403", "s3://bucket7/key8 gave N"),
        (r"C:\data\1.csv row 2", r"C:\data\1.csv row N"),
        ("3/4 done", "N/N done"),
    ],
)
def test_numbers_are_masked_and_paths_are_not(message: str, expected: str) -> None:
    assert normalised(message) == expected


@pytest.mark.parametrize("word", ["a" * 200_000, "a." * 100_000, "/" * 200_000, "1a" * 100_000])
def test_long_words_take_linear_time(word: str) -> None:
    start = time.process_time()
    normalised(word)
    assert time.process_time() - start < 2


def test_groups_are_counted_and_ordered_by_frequency_then_first_appearance() -> None:
    groups = ErrorGroups()
    groups.take([failed(9, "late 1"), failed(5, "bad 1"), failed(3, "bad 2"), failed(3, "bad 3"), failed(1, "third")])
    assert groups.most_frequent(2) == [
        ErrorGroup("exception", "bad 1", "traceback of 5", 3, (3, 5)),
        ErrorGroup("exception", "late 1", "traceback of 9", 1, (9,)),
    ]


def test_kinds_are_told_apart_and_starts_and_divisions_concern_no_mini_batch() -> None:
    groups = ErrorGroups()
    start = StartFailureRecorded(STEP, "agent", StartError("init", "no", "traceback"))
    groups.take([start, failed(0, "no"), failed(0, "no", Phase.DIVIDE, "exception")])
    assert groups.most_frequent(9) == [
        ErrorGroup("exception", "no", "traceback of 0", 2, (0,)),
        ErrorGroup("init", "no", "traceback", 1, ()),
    ]


def test_the_lowest_twenty_mini_batches_are_kept() -> None:
    groups = ErrorGroups()
    groups.take(failed(index, "no") for index in reversed(range(100)))
    assert groups.most_frequent(1)[0].mini_batches == tuple(range(20))


def test_random_words_do_not_grow_without_bound() -> None:
    groups = ErrorGroups()
    groups.take(failed(index, "word " + "x" * index) for index in range(DISTINCT_LIMIT + 50))
    grouped = groups.most_frequent(10_000)
    assert len(grouped) == DISTINCT_LIMIT + 1
    assert (grouped[0].message, grouped[0].count) == (OTHER, 50)
