"""The agenda's settings for mypy's Django plugin, which connects to nothing but must load them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    key = Path(folder) / "secret_key"
    key.write_text("for type checking only, never for signing anything at all")
    os.environ |= {
        "AGENDA_SECRET_KEY_FILE": str(key),
        "AGENDA_DATABASE_SOCKET": "none",
        "AGENDA_ALLOWED_HOSTS": "localhost",
    }
    from config.settings import *  # noqa: F403 - all of them
