"""What the agenda shows first, on paper, after an addition, and in a narrow window."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import DESK, PHONE, SCREENSHOTS
from tests.e2e.keyboard import walk
from tests.e2e.screens import SCREENS
from tests.e2e.test_screens import Places, faults

pytestmark = pytest.mark.browser
IN_VIEW = """() => [...document.querySelectorAll("li.task")].filter((task) => {
  const { top, bottom } = task.getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight;
}).length"""
VISIBLE = """() => [
    ...document.querySelectorAll("main > :not(#list), #list > *, body > :not(main)")
  ].filter((one) => one.checkVisibility()).map((one) => one.className.split(" ")[0])"""

# What an English sentence cannot do without, and the words of the documentation's viewer.
ENGLISH = {"the", "and", "with", "that", "try", "execute", "clear", "responses", "parameters"}

# The spacing of WCAG 1.4.12; a sheet that is made in the page is no style of the page's policy.
SPACED = """() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`* { line-height: 1.5 !important; letter-spacing: 0.12em !important;
    word-spacing: 0.16em !important } p { margin-bottom: 2em !important }`);
  document.adoptedStyleSheets = [sheet];
  return document.documentElement.scrollWidth;
}"""


@pytest.mark.parametrize(
    ("viewport", "least"),
    [
        pytest.param({"width": 1280, "height": 800}, 6, id="desk"),
        pytest.param(PHONE, 5, id="phone"),
    ],
)
def test_the_first_screen_is_for_tasks(viewport, least, arrive, agenda):
    page = arrive("fr", viewport).signs_in_with_a_week(agenda)
    assert page.evaluate("innerHeight") == viewport["height"], "the page is zoomed out"
    assert page.evaluate(IN_VIEW) >= least
    page.screenshot(path=SCREENSHOTS / f"first-screen-{viewport['width']}.png")


def test_the_line_below_a_task_is_as_long_as_its_time(arrive, agenda):
    page = arrive("fr", DESK).signs_in_with_a_week(agenda)
    lines = page.locator("li.task").evaluate_all(
        "all => all.map(one => parseFloat(getComputedStyle(one, '::after').width))"
    )
    assert lines == sorted(lines)
    assert 0 < lines[0] < lines[-1] / 2
    page.clock.install()
    page.reload()
    before = page.locator("li.task").first.get_attribute("data-ebb")
    page.clock.fast_forward("15:00")
    expect(page.locator("li.task").first).not_to_have_attribute("data-ebb", before or "")


def test_paper_shows_the_day_and_its_tasks_alone(arrive, agenda):
    page = arrive("fr", DESK, theme="dark").signs_in_with_a_week(agenda)
    page.emulate_media(media="print")
    assert set(page.evaluate(VISIBLE)) == {"head", "group"}
    expect(page.get_by_role("button")).to_have_count(0)
    page.screenshot(path=SCREENSHOTS / "paper.png", full_page=True)


def test_an_addition_is_said_where_the_focus_is_and_undone_there(arrive):
    person = arrive("en", DESK, javascript=False)
    page = person.page
    person.signs_up()
    person.adds("Walk the dog")
    notice = page.locator("#live .notice")
    expect(notice).to_contain_text("Added: “Walk the dog”")
    expect(notice).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(person.task("Walk the dog")).to_have_count(0)
    expect(page.locator(".undo")).to_contain_text("Removed: “Walk the dog”")
    expect(page.locator(".undo")).to_be_focused()


def test_the_documentation_opens_and_tries_a_request_in_a_narrow_window(arrive):
    """Under our policy: a refused script or style would be in the console, which `arrive` reads."""
    page = arrive("fr", PHONE).page
    page.goto("/api/v1/docs")
    health = page.locator(".opblock", has_text="/api/v1/health")
    health.locator(".opblock-summary-control").click()
    health.get_by_role("button", name="Essayer").click()
    health.get_by_role("button", name="Envoyer").click()
    expect(health.locator(".live-responses-table .response").first).to_contain_text("200")
    health.locator(".opblock-summary-control").click()
    page.emulate_media(color_scheme="dark")
    replace = page.locator(".opblock", has_text="Remplacer une tâche")
    replace.locator(".opblock-summary-control").click()
    replace.get_by_role("button", name="Essayer").click()
    replace.get_by_role("button", name="Envoyer").click()
    expect(replace).to_contain_text("If-Match\xa0: ce champ est obligatoire.")
    page.get_by_role("button", name="Tout déplier").first.click()
    page.locator(".authorize").click()
    assert faults(page) == []
    page.get_by_role("button", name="Fermer").click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    words = set(re.findall(r"[a-z]{3,}", page.locator("#swagger-ui").inner_text().lower()))
    assert words & ENGLISH == set()
    page.get_by_role("link", name="English").click()
    expect(page.locator(".authorize")).to_have_text("Authorize")
    page.get_by_role("link", name="Back to the agenda").click()
    page.wait_for_url(re.compile(r"/agenda/sign-in/"))


def test_every_screen_fits_320_pixels_with_text_spacing(arrive, agenda, mail_server):
    narrow = {"width": 320, "height": 640}
    places = Places(lambda: arrive("fr", narrow), agenda, mail_server, "fr")
    found = {}
    for screen in SCREENS:
        page, _ = places.show(screen)
        if (width := page.evaluate(SPACED)) > narrow["width"]:
            found[screen.name] = width
        page.screenshot(path=SCREENSHOTS / f"narrow-{screen.name}.jpg", quality=70, full_page=True)
    assert found == {}


@pytest.mark.parametrize("javascript", [True, False])
def test_after_a_mistake_title_and_focus_say_what_is_wrong(arrive, javascript):
    person = arrive("en", DESK, javascript=javascript)
    page = person.page
    person.signs_up()
    person.opens("/agenda/tasks/new/")
    page.locator("[name=tags]").fill("b/c")
    page.locator("[name=title]").fill("x")
    page.locator("[name=when][value='']").check()
    page.locator("[name=deadline_at]").fill("2020-01-01T10:00")
    person.presses("add")
    assert page.title().startswith("Error:")
    expect(page.locator(".errors")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).not_to_have_attribute("href", "#id_deadline_at")
    assert page.url.endswith("#id_deadline_at")
    person.opens("/agenda/account/leave/")
    page.locator("[name=password]").fill("wrong")
    page.locator("main form button").first.click()
    expect(page.locator(".errors")).to_be_focused()


# Of every control that is laid out: what shows its edge, or that it is a link, in any colours.
EDGELESS = """() => [...document.querySelectorAll(
    "main :is(button, .button, input:not([type=hidden]), select, textarea), dialog[open]")]
  .filter(one => one.checkVisibility({ visibilityProperty: true }))
  .filter(one => !one.matches("[type=checkbox], [type=radio], .act, .plain, .rows button"))
  .filter(one => parseFloat(getComputedStyle(one).borderTopWidth) < 1)
  .map(one => one.outerHTML.slice(0, 120))"""
COLOUR = "(one, pseudo) => getComputedStyle(one, pseudo).borderBottomColor"
CURRENT = """() => [...document.querySelectorAll("[aria-current], [aria-pressed=true]")]
  .filter(one => one.checkVisibility() && getComputedStyle(one).outlineStyle === "none")
  .map(one => one.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_in_forced_colours_edges_focus_and_the_ebbing_line_are_seen(theme, arrive, agenda):
    person = arrive("fr", DESK, theme=theme)
    page = person.signs_in_with_a_week(agenda)
    page.emulate_media(forced_colors="active")
    first = page.locator("li.task").first
    line, border = first.evaluate(COLOUR, "::after"), first.locator("..").evaluate(COLOUR)
    assert line != border, "the line that ebbs cannot be told from the frame"
    page.locator("#arm").click()
    page.locator("#quick").fill("Rendre le TP demain 18h")
    expect(page.locator("#reading li")).not_to_have_count(0)
    found = page.evaluate(EDGELESS) + page.evaluate(CURRENT) + walk(page)
    first.locator("[data-menu]").click()
    expect(page.locator("dialog")).to_be_visible()
    found += page.evaluate(EDGELESS)
    for path in ("month/", "tasks/new/", "account/", "account/tokens/"):
        page.goto(f"/agenda/{path}")
        found += page.evaluate(EDGELESS) + page.evaluate(CURRENT) + walk(page)
    assert found == []


def test_paper_keeps_what_is_shown_once_and_no_button(arrive, agenda):
    person = arrive("en", DESK)
    page = person.signs_in_with_a_week(agenda)
    page.goto("/agenda/account/tokens/")
    page.locator("[name=name]").fill("My watch")
    page.locator("[name=password]").fill(person.password)
    page.locator("main form button").last.click()
    expect(page.locator(".notice", has=page.locator("code.token"))).to_be_focused()
    page.emulate_media(media="print")
    expect(page.locator("code.token")).to_be_visible()
    for path in ("", "/recent/", "/account/tokens/"):
        page.goto(f"/agenda{path}")
        expect(page.locator("main").get_by_role("button")).to_have_count(0)


def test_a_line_that_is_emptied_leaves_its_field_as_wide(arrive, agenda):
    page = arrive("fr", PHONE).signs_in_with_a_week(agenda)
    quick, reading = page.locator("#quick"), page.locator("#reading")
    before = quick.bounding_box()
    quick.fill("demain")
    expect(reading).to_be_visible()
    quick.fill("")
    expect(reading).to_be_hidden()
    assert quick.bounding_box() == before
