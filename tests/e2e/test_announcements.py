"""Announcements in a real browser: one tab of many speaks, G keeps, and a cut loses none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, Route, expect

from tests.app.served import ServedAgenda
from tests.e2e.person import Person

pytestmark = pytest.mark.browser
# The script asks again ten seconds after it could not be answered.
PATIENCE_MS = 25_000


def armed(person: Person) -> Page:
    person.opens()
    button = person.page.locator("#arm")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    return person.page


def due_in(agenda: ServedAgenda, person: Person, *, seconds: int) -> None:
    """Somebody who signed up alone has one task: its last call comes in so many seconds."""
    agenda.sql(
        "UPDATE task JOIN account ON account.id = owner_id SET announced = 2, deadline_at ="  # noqa: S608 - a name of ours
        f" UTC_TIMESTAMP(6) + INTERVAL 10 MINUTE + INTERVAL {seconds} SECOND"
        f" WHERE username = '{person.name}'"
    )


@pytest.fixture
def listener(arrive: Callable[..., Person]) -> Person:
    return ready(arrive("fr"))


def ready(person: Person) -> Person:
    person.signs_up()
    person.page.locator("#quick").fill("Appeler la banque demain 18h")
    person.page.locator("#quick").press("Enter")
    person.task("Appeler la banque").wait_for()
    return person


def test_one_of_three_tabs_makes_the_last_call_and_g_keeps(
    listener: Person, agenda: ServedAgenda
) -> None:
    due_in(agenda, listener, seconds=2)
    tabs = [armed(listener)]
    for _ in range(2):
        tabs.append(listener.page.context.new_page())
        tabs[-1].goto("/agenda")
    call = "Dernier rappel : « Appeler la banque » sera oubliée dans dix minutes."
    teller = told_in(tabs, call)
    teller.wait_for_timeout(3000)  # the others have asked by now
    assert told_in(tabs, call) == teller
    teller.keyboard.press("g")
    expect(teller.locator("#live")).to_contain_text("Gardée un jour de plus")


def test_at_the_deadline_one_tab_says_so_and_then_no_page_names_the_task(
    listener: Person, agenda: ServedAgenda
) -> None:
    """It was written less than ten minutes before: no reminder comes."""
    agenda.sql(
        "UPDATE task JOIN account ON account.id = owner_id"  # noqa: S608 - a name of ours
        " SET announced_at = UTC_TIMESTAMP(6), deadline_at = UTC_TIMESTAMP(6) + INTERVAL 16 SECOND"
        f" WHERE username = '{listener.name}'"
    )
    tabs = [armed(listener), listener.page.context.new_page()]
    tabs[1].goto("/agenda")
    call = "C'est l'heure : « Appeler la banque » va être oubliée. Touche G pour garder."
    told_in(tabs, call)
    for tab in tabs:
        expect(tab.get_by_text("Appeler la banque")).to_have_count(0, timeout=PATIENCE_MS)


def told_in(tabs: list[Page], call: str) -> Page:
    """The one tab that says it."""
    for _ in range(100):
        if tellers := [tab for tab in tabs if tab.locator("#live").get_by_text(call).count()]:
            [teller] = tellers
            return teller
        tabs[0].wait_for_timeout(200)
    raise AssertionError(f"no tab said: {call}")


def test_what_comes_due_while_the_server_is_down_is_said_when_it_is_back(
    arrive: Callable[..., Person], agenda: ServedAgenda
) -> None:
    person = arrive("fr", expects_errors=True)  # the browser complains of the dead server
    ready(person)
    due_in(agenda, person, seconds=6)
    page = armed(person)
    page.wait_for_timeout(1500)  # it has been told to ask again in some seconds
    agenda.stop_serving()
    page.wait_for_timeout(6000)
    agenda.serve()
    call = page.locator("#live").get_by_text("Dernier rappel")
    expect(call).to_be_visible(timeout=PATIENCE_MS)


def test_nothing_is_announced_before_a_person_has_armed_it(
    listener: Person, agenda: ServedAgenda
) -> None:
    due_in(agenda, listener, seconds=0)
    listener.opens()
    listener.page.wait_for_timeout(1500)
    assert listener.page.locator("#live").inner_text().strip() == ""


def test_what_was_forgotten_while_the_server_was_down_is_told_in_one_sentence(
    arrive: Callable[..., Person], agenda: ServedAgenda
) -> None:
    person = arrive("fr", expects_errors=True)  # the browser complains of the dead server
    ready(person)
    due_in(agenda, person, seconds=5)
    person.page.route("**/announcements/", answered_hours_ago)
    page = armed(person)
    page.wait_for_timeout(1500)  # it has been told to ask again in some seconds
    agenda.stop_serving()
    page.unroute("**/announcements/")
    # Its last call came and went meanwhile, unheard, and the timer erases it.
    agenda.sql(
        "UPDATE task JOIN account ON account.id = owner_id"  # noqa: S608 - a name of ours
        " SET announced = 2, announced_at = NULL,"
        " deadline_at = UTC_TIMESTAMP(6) - INTERVAL 2 HOUR"
        f" WHERE username = '{person.name}'"
    )
    agenda.manage("agenda_expire")
    agenda.serve()
    told = page.locator("#live").get_by_text("Pendant l'arrêt, une tâche a été oubliée.")
    expect(told).to_be_visible(timeout=PATIENCE_MS)
    page.wait_for_timeout(2000)
    expect(told).to_have_count(1)


def answered_hours_ago(route: Route) -> None:
    """The real answer, but three hours old: nobody can wait for an outage of hours."""
    answer = route.fetch()
    old = (datetime.now(UTC) - timedelta(hours=3)).isoformat()
    route.fulfill(response=answer, json=answer.json() | {"now": old})
