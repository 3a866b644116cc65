"""The MLTable of a folder, its problems as those of a division."""

from __future__ import annotations

import os

from prs_agent.division.problems import MLTableError, of_os_error
from prsd.base.mltable import load, words
from prsd.base.mltable.model import MLTable


def load_mltable(folder: str) -> MLTable:
    """The MLTable of a folder. MLTableError says what is wrong with the file, InputError that there is none."""
    try:
        return load.load_mltable(folder)
    except OSError as error:
        raise of_os_error(error, os.path.join(folder, load.FILE_NAME), "file") from error  # noqa: PTH118
    except words.MLTableError as error:
        raise MLTableError(str(error)) from None
