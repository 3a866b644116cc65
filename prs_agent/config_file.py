"""What may stand in the file of `prs-agent --config`. Names are those of the options; deploy/config/prs-agent.yml explains
each."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt


class AgentFile(BaseModel):
    """Shapes only: what a value means is checked where the command line's are."""

    model_config = ConfigDict(extra="forbid", strict=True)

    server: str | None = None
    compute: str | None = None
    data: str | None = None
    slots: PositiveInt | None = None
    name: str | None = None
    drain_timeout_s: PositiveFloat | None = None
    logging_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None = None
