"""Write scikit-learn's digit images as PNG files, in folders of a hundred, and their true digits as a CSV file."""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

parser = argparse.ArgumentParser()
parser.add_argument("--images", type=Path, required=True)
parser.add_argument("--labels", type=Path, required=True)
arguments = parser.parse_args()

digits = load_digits()
lines = []
for number, (pixels, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
    name = f"{number // 100:02}/{number:04}.png"
    path = arguments.images / name
    path.parent.mkdir(parents=True, exist_ok=True)
    # The data set has 16 grey levels; a PNG has 256.
    Image.fromarray((pixels * 15).astype(np.uint8)).save(path)
    lines.append(f"{name},{digit}\n")
arguments.labels.write_text("".join(lines))
print(f"{len(lines)} images written")
