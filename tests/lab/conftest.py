"""Fixtures of the lab's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.lab.certificates import CA_FILE
from tests.lab.support import Client, DictionaryRuntime, served


@pytest.fixture
def runtime() -> DictionaryRuntime:
    return DictionaryRuntime()


@pytest.fixture
def api(runtime: DictionaryRuntime, tmp_path: Path) -> Iterator[Client]:
    with served(runtime, tmp_path) as pve:
        client = Client(pve.url, tmp_path / CA_FILE)
        client.pve = pve
        yield client
