"""Print the accuracy of the predictions; fail if an image is missing or appears twice."""

import argparse
import sys
from collections import Counter
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--predictions", type=Path, required=True)
parser.add_argument("--images", type=Path, required=True)
parser.add_argument("--labels", type=Path, required=True)
arguments = parser.parse_args()

predictions = [line.split() for line in arguments.predictions.read_text().splitlines()]
digits = dict(line.split(",") for line in arguments.labels.read_text().splitlines())
images = {str(path.relative_to(arguments.images)) for path in arguments.images.rglob("*.png")}

times_seen = Counter(name for name, _ in predictions)
missing = sorted(images - times_seen.keys())
doubled = sorted(name for name, times in times_seen.items() if times > 1)
if missing or doubled:
    sys.exit(f"{len(missing)} images are missing {missing[:5]}, {len(doubled)} appear twice {doubled[:5]}")

right = sum(digits[name] == digit for name, digit in predictions)
print(f"{len(predictions)} images, every one exactly once; accuracy {right / len(predictions):.3f}")
