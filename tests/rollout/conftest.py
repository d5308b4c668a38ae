from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def root() -> Path:
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The operator's backup-key."""
    file = tmp_path_factory.mktemp("key") / "backup-key"
    subprocess.run(["age-keygen", "-o", str(file)], check=True, capture_output=True, timeout=20)
    return file
