"""Make the example's data and model from scikit-learn's iris.

neural-iris-mltable/iris.csv: 150 flowers, four measurements and 40 columns of noise (a fixed seed), about 1.1 KB a row.
iris-model/weights.json: logistic regression over the four measurements.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

folder = Path(__file__).parent
iris = load_iris()
noise = np.random.default_rng(20240924).normal(size=(len(iris.data), 40))
measurements = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
names = measurements + [f"noise_{number:02}" for number in range(40)]
np.savetxt(
    folder / "neural-iris-mltable" / "iris.csv",
    np.hstack([iris.data, noise]),
    delimiter=",",
    header=",".join(names),
    comments="",
)
model = LogisticRegression(max_iter=1000).fit(iris.data, iris.target)
(folder / "iris-model" / "weights.json").write_text(
    json.dumps(
        {
            "columns": measurements,
            "species": iris.target_names.tolist(),
            "weights": model.coef_.tolist(),
            "intercepts": model.intercept_.tolist(),
        },
        indent=1,
    )
    + "\n"
)
