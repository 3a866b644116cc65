"""Train one model for each store and brand; the models are the output, so run() returns nothing."""

import argparse
import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LinearRegression


def init():
    global models
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--models", type=Path, required=True)
    arguments, _ = parser.parse_known_args()
    models = arguments.models


def run(mini_batch, context):
    key = context.partition_key_value
    print(f"mini-batch {context.minibatch_index}: {len(mini_batch)} weeks of {key}")
    past, recent = mini_batch[mini_batch["week"] < 101], mini_batch[mini_batch["week"] >= 101]
    features = ["price", "advertised"]
    model = LinearRegression().fit(past[features], np.log(past["sold"]))
    error = np.abs(np.exp(model.predict(recent[features])) - recent["sold"]).mean() / recent["sold"].mean()
    folder = models / key["store"]
    folder.mkdir(exist_ok=True)
    words = {**key, "weeks": len(mini_batch), "coefficients": dict(zip(features, model.coef_, strict=True)), "error": error}
    (folder / f"{key['brand']}.json").write_text(json.dumps({**words, "intercept": model.intercept_}, indent=1) + "\n")
    return []
