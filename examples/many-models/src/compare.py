"""Say how good the models are, all of them together."""

import argparse
import json
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--models", type=Path, required=True)
models = [json.loads(path.read_text()) for path in sorted(parser.parse_args().models.glob("*/*.json"))]
errors = [model["error"] for model in models]
print(f"{len(models)} models; error {sum(errors) / len(errors):.3f} on average, {max(errors):.3f} at worst")
