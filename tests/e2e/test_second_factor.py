"""Signing in with a code: set up, used, and the recovery code of a lost phone; in a browser."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect
from pyotp import TOTP

from tests.app.served import ServedAgenda
from tests.e2e.conftest import DESK, PHONE
from tests.e2e.keyboard import walk
from tests.e2e.person import Person
from tests.e2e.test_screens import look

pytestmark = pytest.mark.browser
AT_HOME = re.compile(r"/agenda/?$")


def sets_up(person: Person) -> TOTP:
    """On the page that says how; what the phone's app now holds."""
    page = person.page
    app = TOTP(page.locator("code.token").inner_text().replace(" ", ""))
    page.locator("[name=code]").fill(app.now())
    page.locator("[name=password]").fill(person.password)
    page.keyboard.press("Enter")
    expect(page.locator("ol code.token")).to_have_count(10)
    return app


def leaves_and_comes_back(person: Person) -> None:
    person.opens("/agenda/account/")
    person.page.locator("main form[action$='/sign-out/'] button").click()
    person.page.wait_for_url(re.compile(r"/sign-in/$"))
    person.signs_in()
    expect(person.page.locator("[name=code]")).to_be_focused()


@pytest.mark.parametrize("javascript", [True, False], ids=["script", "no-script"])
def test_a_phone_lets_in_and_a_recovery_code_does_when_it_is_lost(arrive, javascript):
    person = arrive("en", DESK, javascript=javascript)
    page = person.page
    person.signs_up()
    person.opens("/agenda/account/")
    page.get_by_role("link", name="Second step at sign-in").click()
    expect(page.get_by_role("img", name="QR code for the app")).to_be_visible()
    app = sets_up(person)
    recovery = page.locator("ol code.token").all_inner_texts()
    page.get_by_role("link", name="I have written them down").click()

    leaves_and_comes_back(person)
    page.keyboard.type("000000")
    page.keyboard.press("Enter")
    expect(page.locator(".problem")).to_be_visible()
    expect(page.locator("[name=code]")).to_have_attribute("aria-invalid", "true")
    # The next one: that of now was used to set it up.
    page.locator("[name=code]").fill(app.at(time.time(), counter_offset=1))
    page.keyboard.press("Enter")
    page.wait_for_url(AT_HOME)

    leaves_and_comes_back(person)
    page.keyboard.type(recovery[0])
    page.keyboard.press("Enter")
    page.wait_for_url(AT_HOME)
    person.opens("/agenda/account/second-factor/")
    person.sees("9 recovery codes are left.")


@pytest.mark.parametrize(
    ("language", "viewport"),
    [pytest.param("fr", DESK, id="french-desk"), pytest.param("en", PHONE, id="english-phone")],
)
def test_axe_finds_nothing_on_the_way(arrive, agenda: ServedAgenda, language, viewport):
    person = arrive(language, viewport)
    size = "phone" if viewport == PHONE else "desk"
    found = []

    def looks(name: str) -> None:
        found.extend(look(person.page, f"screen-{language}-{size}-{name}"))
        found.extend(f"{name}, by keyboard: {fault}" for fault in walk(person.page))

    person.signs_up()
    person.opens("/agenda/account/second-factor/")
    sets_up(person)
    looks("second-factor-codes")
    person.opens("/agenda/account/second-factor/")
    looks("second-factor-on")
    leaves_and_comes_back(person)
    looks("sign-in-code")
    assert found == []
