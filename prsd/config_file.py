"""What may stand in the file of `prsd --config`. Names are those of the options; deploy/config/prsd.yml explains each."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveFloat


class DaemonFile(BaseModel):
    """Shapes only: what a value means is checked where the command line's are."""

    model_config = ConfigDict(extra="forbid", strict=True)

    data: str | None = None
    listen: list[str] | None = None
    session_timeout: PositiveFloat | None = None
    heartbeat: PositiveFloat | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None = None
    compute: list[str] | None = None
    any_compute: bool | None = None
    disk_reserve: NonNegativeInt | str | None = None
