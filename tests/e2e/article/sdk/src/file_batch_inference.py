"""Writes the widest petal of each file beside the others."""

import argparse
from pathlib import Path


def init():
    global target
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--job_output_path", type=Path)
    target = parser.parse_known_args()[0].job_output_path


def run(mini_batch):
    for path in map(Path, mini_batch):
        (target / path.name).write_text(max(path.read_text().split(","), key=float))
    return mini_batch
