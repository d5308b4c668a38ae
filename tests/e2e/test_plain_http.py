"""From an address that is not loopback: without TLS, what a browser may do there is less."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.person import Person

pytestmark = pytest.mark.e2e


def test_a_person_on_the_campus_signs_up_out_and_in_again(campus_page):
    person = Person(campus_page, "fr")
    person.signs_up()
    person.adds("Réviser")
    campus_page.goto("/agenda")
    is_tls = campus_page.url.startswith("https://")
    assert campus_page.evaluate("window.isSecureContext") is is_tls
    campus_page.context.clear_cookies(name="sessionid")
    campus_page.goto("/agenda")
    person.signs_in()
    expect(person.task("Réviser")).to_be_visible()
