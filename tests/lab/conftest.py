"""Fixtures of the lab's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.certificates import CA_FILE
from tests.lab.labs import LXC, Lab, remove_remains
from tests.lab.support import Client, DictionaryRuntime, served


@pytest.fixture
def runtime() -> DictionaryRuntime:
    return DictionaryRuntime()


@pytest.fixture
def api(runtime: DictionaryRuntime, tmp_path: Path) -> Iterator[Client]:
    with served(runtime, tmp_path) as pve:
        yield Client(pve.url, tmp_path / CA_FILE, pve=pve)


@pytest.fixture
def root(api: Client) -> Client:
    """Root's own hand on the same cluster."""
    return api.as_root()


@pytest.fixture(scope="session")
def make_lab() -> Iterator[Callable[[], Lab]]:
    """Make labs that the session removes at its end."""
    remove_remains()
    made: list[Lab] = []

    def make() -> Lab:
        made.append(Lab(len(made)))
        return made[-1]

    yield make
    for one in made:
        one.remove()


@pytest.fixture(scope="session")
def shared_lab(make_lab: Callable[[], Lab]) -> Lab:
    """A lab that is up, for tests that leave it up."""
    made = make_lab()
    made.up()
    return made


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    """The shared lab, without containers before and after."""
    yield shared_lab
    for ct in shared_lab.api.data("GET", LXC):
        shared_lab.api.data("PUT", f"{LXC}/{ct['vmid']}/config", protection=0)
        shared_lab.api.done("DELETE", f"{LXC}/{ct['vmid']}", force=1)
