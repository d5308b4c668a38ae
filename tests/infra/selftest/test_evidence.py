"""What verify gathers before it is asked for belongs to modules that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.infra import evidence

HERE = Path(evidence.__file__).parent


def test_pieces_are_wanted_by_modules_that_exist():
    named = {*evidence.WANTED_BY, *evidence.COSTLY_FACTS}

    assert {name for name in named if not (HERE / f"{name}.py").is_file()} == set()


@pytest.mark.parametrize(
    ("account_took_s", "lives_s"),
    [
        pytest.param(1.0, (5, 15), id="idle"),
        pytest.param(7.2, (15, 45), id="busy"),
        pytest.param(60.0, (20, 60), id="very busy"),
    ],
)
def test_task_lives_as_long_as_the_machines_pace_asks(account_took_s, lives_s):
    assert evidence.lifetimes_s_of(account_took_s) == lives_s
