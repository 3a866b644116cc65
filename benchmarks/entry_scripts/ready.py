"""When this worker was ready, for the bench: a file named by --ready_folder, the process in its name."""

import argparse
import os
import time
from pathlib import Path


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--ready_folder")
    parser.add_argument("--cpu_ms", type=float, default=0)
    return parser.parse_known_args()[0]


def note() -> None:
    Path(arguments().ready_folder, f"ready.{os.getpid()}").write_text(str(time.time()))
