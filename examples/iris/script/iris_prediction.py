"""The entry script of a parallel step over a table: `run` receives a DataFrame and returns one, row for row."""

import argparse
import json
from pathlib import Path

import numpy as np


def init():
    global model
    parser = argparse.ArgumentParser(allow_abbrev=False, description="Iris prediction")
    parser.add_argument("--model", dest="model", type=Path, required=True)
    arguments, _ = parser.parse_known_args()
    model = json.loads((arguments.model / "weights.json").read_text())


def run(input_data):
    scores = input_data[model["columns"]].to_numpy() @ np.array(model["weights"]).T + np.array(model["intercepts"])
    result = input_data[model["columns"]].copy()
    result["species"] = [model["species"][best] for best in scores.argmax(axis=1)]
    return result
