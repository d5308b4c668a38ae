"""Pages that stay open: what changes elsewhere comes to them, and headings follow the clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.person import Person

pytestmark = pytest.mark.browser
LINE = "half a line"
ON_TIME = "Math.random = () => 0"


def left_open(page: Page, path: str = "/agenda") -> Page:
    """It would be known if it were loaded anew: nobody else writes on its window."""
    page.goto(path)
    page.evaluate("window.isTheSame = true")
    return page


def is_the_same(page: Page) -> bool:
    return bool(page.evaluate("window.isTheSame === true"))


def looked_at_again(page: Page) -> None:
    page.evaluate("window.dispatchEvent(new Event('focus'))")


def test_what_is_changed_in_one_tab_is_seen_in_the_others_at_once(
    arrive: Callable[..., Person],
) -> None:
    person = arrive("en")
    person.signs_up()
    person.adds("first")
    context = person.page.context
    agenda, month, search = (
        left_open(context.new_page(), path)
        for path in ("/agenda", "/agenda/month/", "/agenda/search/?q=second")
    )
    agenda.locator("#quick").fill(LINE)
    agenda.locator(".task [data-menu]").focus()
    person.adds("second", lives=timedelta(hours=30))
    for page in (agenda, month, search):
        expect(page.locator("#list", has_text="second")).to_be_visible()
        assert is_the_same(page)
    expect(agenda.locator("#quick")).to_have_value(LINE)
    expect(agenda.locator(".task", has_text="first").locator("[data-menu]")).to_be_focused()


def test_what_is_changed_on_another_device_is_seen_at_the_next_look(
    arrive: Callable[..., Person],
) -> None:
    desk, phone = arrive("en"), arrive("en")
    desk.signs_up()
    phone.opens()
    phone.name, phone.password = desk.name, desk.password
    phone.signs_in()
    phone.page.wait_for_url("**/agenda")
    page = left_open(phone.page)
    asked: list[int] = []
    page.on("response", lambda one: "/changes/" in one.url and asked.append(one.status))
    page.wait_for_timeout(2100)  # a change under way while the page was made counts for so long
    with page.expect_response("**/agenda/changes/") as nothing:
        looked_at_again(page)
    assert nothing.value.status == 304
    desk.adds("from the desk")
    looked_at_again(page)
    expect(page.locator("#list", has_text="from the desk")).to_be_visible()
    assert is_the_same(page)
    assert asked == [304, 204]


def test_a_task_comes_under_the_next_heading_by_itself(arrive: Callable[..., Person]) -> None:
    person = arrive("en")
    person.page.context.add_init_script(ON_TIME)
    person.signs_up()
    person.adds("soon", lives=timedelta(hours=1, seconds=5))
    page = left_open(person.page)
    expect(page.locator(".group-now")).to_have_count(0)
    expect(page.locator(".group-now", has_text="soon")).to_be_visible(timeout=15_000)
    assert is_the_same(page)


def test_single_keys_act_in_the_list_alone_and_can_be_switched_off(
    arrive: Callable[..., Person],
) -> None:
    person = arrive("en")
    person.signs_up()
    person.adds("one")
    page = person.page
    page.locator("h1").click()
    for key in "?n":
        page.keyboard.press(key)
    expect(page.locator("#live .notice")).to_contain_text("Added: “one”")
    expect(page.locator("#quick")).not_to_be_focused()
    page.locator(".task h3 a").focus()
    page.keyboard.press("?")
    expect(page.locator("#live")).to_contain_text("Keys")
    person.opens("/agenda/account/")
    page.locator("[name=has_shortcuts]").uncheck()
    person.presses("save")
    person.opens()
    page.locator(".task h3 a").focus()
    page.keyboard.press("n")
    expect(page.locator("#quick")).not_to_be_focused()
