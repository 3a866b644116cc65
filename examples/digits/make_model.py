"""Make model/weights.json: logistic regression over the 64 pixels, fitted to every second image."""

import json
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

digits = load_digits()
model = LogisticRegression(C=0.05, max_iter=2000).fit(digits.data[::2], digits.target[::2])
weights = {
    "weights": [[round(weight, 4) for weight in row] for row in model.coef_.tolist()],
    "intercepts": [round(intercept, 4) for intercept in model.intercept_.tolist()],
}
path = Path(__file__).parent / "model" / "weights.json"
path.write_text(json.dumps(weights) + "\n")
