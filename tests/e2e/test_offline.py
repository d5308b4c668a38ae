"""Without a network: the agenda as it was last seen, forgotten on time; lines wait."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Page, Route, expect

from tests.app.served import ServedAgenda
from tests.e2e.person import Person

pytestmark = pytest.mark.browser
KEPT = "caches.match('/agenda?seen').then((found) => found?.text())"
WAIT_MS = 20_000


@pytest.fixture
def person(arrive: Callable[..., Person]) -> Person:
    person = arrive("fr", expects_errors=True)  # the browser complains of the missing network
    person.signs_up()
    return person


def seen(page: Page, title: str) -> None:
    """It was seen, and lies ready."""
    page.goto("/agenda")
    page.evaluate("navigator.serviceWorker.ready.then(() => 0)")
    page.wait_for_function(f"{KEPT}.then((html) => html?.includes('{title}'))", timeout=WAIT_MS)


def count(agenda: ServedAgenda, person: Person, title: str) -> int:
    found = agenda.sql(
        "SELECT COUNT(*) FROM task JOIN account ON account.id = owner_id"  # noqa: S608 - ours
        f" WHERE username = '{person.name}' AND title = '{title}'"
    )
    return int(found)


def test_the_agenda_seen_last_can_be_read_and_forgets_on_time(person: Person) -> None:
    person.adds("bientôt", lives=timedelta(seconds=25))
    person.adds("plus tard", lives=timedelta(hours=30))
    page = person.page
    seen(page, "plus tard")
    page.context.set_offline(True)
    page.goto("/agenda")
    expect(page.get_by_text("L’agenda est injoignable. Voici ce qu’il était")).to_be_visible()
    expect(page.locator(".task", has_text="plus tard")).to_be_visible()
    page.goto("/agenda/month/")  # was not kept
    assert page.url.endswith("/agenda")
    expect(page.locator(".task", has_text="bientôt")).to_have_count(0, timeout=30_000)
    page.goto("/agenda")
    assert "plus tard" in page.content()
    assert "bientôt" not in page.content()
    assert page.evaluate("getComputedStyle(document.querySelector('.task')).display") != "block"


def test_nothing_is_left_after_signing_out(person: Person) -> None:
    person.adds("à moi", lives=timedelta(hours=30))
    page = person.page
    seen(page, "à moi")
    page.get_by_role("button", name="Se déconnecter").first.click()
    page.wait_for_url("**/sign-in/**")
    assert page.evaluate("caches.keys()") == []
    assert (
        page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
    )
    page.context.set_offline(True)
    with pytest.raises(Exception, match="ERR_INTERNET_DISCONNECTED"):
        page.goto("/agenda")


def test_lines_written_without_a_network_are_sent_later_and_once(
    person: Person, agenda: ServedAgenda
) -> None:
    person.adds("là", lives=timedelta(hours=30))
    page = person.page
    seen(page, "là")
    page.context.set_offline(True)
    page.goto("/agenda")
    writes(page, "appeler demain 18h")
    other = page.context.new_page()
    other.goto("/agenda")
    page.context.set_offline(False)  # both send it
    for tab in (page, other):
        expect(tab.locator(".task", has_text="appeler")).to_have_count(1, timeout=WAIT_MS)
    assert count(agenda, person, "appeler") == 1
    other.close()
    page.context.set_offline(True)
    writes(page, "écrire à 5")
    writes(page, "lire demain")
    page.context.set_offline(False)
    # What is a question comes back to be answered; what follows it waits no longer.
    expect(page.locator("#quick")).to_have_value("écrire à 5", timeout=WAIT_MS)
    expect(page.locator("#reading")).to_contain_text("Pas sûr", timeout=WAIT_MS)
    expect(page.locator(".task", has_text="lire")).to_have_count(1, timeout=WAIT_MS)


def writes(page: Page, line: str) -> None:
    page.locator("#quick").fill(line)
    page.locator("#quick").press("Enter")
    expect(page.locator("#live")).to_contain_text(line)
    expect(page.locator("#quick")).to_have_value("")


def test_a_line_whose_answer_was_lost_is_not_added_twice(
    person: Person, agenda: ServedAgenda
) -> None:
    person.adds("là", lives=timedelta(hours=30))
    page = person.page
    page.context.set_offline(True)
    page.locator("#quick").fill("appeler demain 18h")
    page.locator("#quick").press("Enter")
    expect(page.locator("#live")).to_contain_text("Gardé sur cet appareil")
    taken: list[int] = []

    def swallow(route: Route) -> None:
        if taken or "written=" not in (route.request.post_data or ""):
            route.fallback()
            return
        taken.append(page.request.fetch(route.request).status)
        route.abort("connectionreset")

    page.route("**/quick/", swallow)
    page.context.set_offline(False)
    for _ in range(100):
        if taken:
            break
        page.wait_for_timeout(200)
    assert (taken, count(agenda, person, "appeler")) == ([204], 1)
    page.reload()
    expect(page.locator("#live")).to_contain_text("appeler")
    expect(page.locator(".task", has_text="appeler")).to_have_count(1)
    assert count(agenda, person, "appeler") == 1
