"""What a report says of a mini-batch."""

from __future__ import annotations

import json
from pathlib import Path

from prs_agent.outputs.details import MiniBatchDetails


def test_a_rank_is_written_as_what_is_looked_up(tmp_path: Path) -> None:
    details = MiniBatchDetails(tmp_path)
    quoted = details.quoted(5)
    assert json.loads(quoted[1:-1].replace('""', '"')) == details.detail(5) == {"id": 5, "minibatch": []}
