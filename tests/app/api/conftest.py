"""Alice's program, and one without a token."""

from __future__ import annotations

import pytest

from accounts.models import User
from api.auth import THROTTLE
from tests.app.api.program import Program, token_for


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
