"""The table of screens that axe and the photographs walk holds every address there is."""

from __future__ import annotations

import uuid

import pytest
from django.urls import resolve

from tests.app.addresses import names
from tests.e2e.screens import NOT_A_SCREEN, SCREENS

STANDS_FOR = {"task": uuid.uuid4(), "token": "token", "reset": "whose/token"}


def test_every_address_is_a_screen_or_says_why_not():
    looked_at = {screen.url for screen in SCREENS if screen.url}
    ours = names()
    assert ours - looked_at - NOT_A_SCREEN.keys() == set(), "add them to tests/e2e/screens.py"
    assert NOT_A_SCREEN.keys() - ours == set(), "no longer there"
    assert looked_at & NOT_A_SCREEN.keys() == set()


@pytest.mark.parametrize(
    "screen", [screen for screen in SCREENS if screen.url], ids=lambda screen: screen.name
)
def test_a_screen_is_at_its_address(screen):
    path = screen.path.format(**STANDS_FOR).split("?")[0]
    assert resolve(path).url_name == screen.url


def test_no_two_screens_share_a_photograph():
    assert len({screen.name for screen in SCREENS}) == len(SCREENS)
