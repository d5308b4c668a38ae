"""The whole log of each run, under build/logs/: its user's alone, and a bounded number of them."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from provision.environment import ROOT
from provision.errors import OperatorError

FOLDER = ROOT / "build/logs"
MOST_KEPT = 50


def new_log(name: str, *, at: datetime, folder: Path = FOLDER) -> Path:
    """An empty file for a run that begins at `at`, 0600; the oldest of the others go.

    Raises OperatorError when the folder cannot be written to.
    """
    log = folder / f"{name}-{at:%Y%m%d-%H%M%S}.log"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.close(os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW, 0o600))
        kept = sorted(folder.glob("*.log"), key=lambda file: file.lstat().st_mtime_ns)
        for old in kept[:-MOST_KEPT]:
            old.unlink(missing_ok=True)
    except OSError as error:
        raise OperatorError(
            f"no log can be kept in {folder}: {error.strerror}",
            next_step=f"see who may write there: ls -ld {folder}",
        ) from error
    return log
