"""A few short chaos runs in every test run, and every seed that once found something."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.run import run

SHORT = 300
CORPUS = Path(__file__).with_name("corpus.txt")


def corpus() -> list[tuple[int, int]]:
    """Seed and number of mini-batches of each line."""
    lines = [line.split("#")[0].split() for line in CORPUS.read_text().splitlines()]
    return [(int(words[0]), int(words[1])) for words in lines if words]


@pytest.mark.parametrize(("seed", "mini_batches"), [*((seed, SHORT) for seed in (11, 12, 13)), *corpus()])
def test_whatever_dies_every_row_is_published_once(seed: int, mini_batches: int) -> None:
    verdict = run(seed, mini_batches)
    story = [*map(str, verdict.findings), str(verdict.evidence), f"folder: {verdict.folder}"]
    replay = f"replay: python -m tests.chaos --only-seed {seed} --mini-batches {mini_batches}"
    assert not verdict.findings, "\n".join([*story, replay])
