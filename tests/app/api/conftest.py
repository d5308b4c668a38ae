"""Alice's program, and one without a token."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from accounts.models import User
from api.auth import THROTTLE
from tests.app.api.program import Program, token_for
from tests.app.api.served import ServedRest


@pytest.fixture(autouse=True)
def _full_buckets() -> None:
    THROTTLE.forget()


@pytest.fixture
def api(alice: User) -> Program:
    """Alice's program; it may do everything."""
    return Program(token_for(alice))


@pytest.fixture
def stranger() -> Program:
    return Program()


@pytest.fixture(scope="session")
def rest() -> Iterator[ServedRest]:
    """A REST server that runs, once for all tests of a process."""
    served = ServedRest()
    try:
        served.start()
        yield served
    finally:
        served.stop()
