"""Whole journeys at an agenda of the tests' own: what people do every day, and on bad days."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from tests.app.served import ServedAgenda
from tests.app.smtp_stand_in import MailServer
from tests.e2e.conftest import DESK, PHONE, SCREENSHOTS
from tests.e2e.person import A_DAY_LATER, REMOVE, WORDS, Person
from tests.e2e.test_second_factor import sets_up

pytestmark = pytest.mark.browser
AT_HOME = re.compile(r"/agenda/?$")
FRENCH_DESK = pytest.param("fr", DESK, id="french-desk")
ENGLISH_PHONE = pytest.param("en", PHONE, id="english-phone")


def adds_in_a_line(person: Person, line: str) -> None:
    """Quick add: the line, how it is read below it, Enter."""
    person.opens()
    person.page.locator("#quick").fill(line)
    expect(person.page.locator("#reading strong")).to_be_visible()
    person.page.locator("#quick").press("Enter")
    expect(person.page.locator("#quick")).to_have_value("")


def test_at_its_deadline_a_task_leaves_every_open_page_without_a_server(arrive):
    """The machine slept over the deadline, and has no network when it wakes up."""
    person, title = arrive("en", DESK), "Rendre le projet"
    context = person.page.context
    person.signs_up()
    person.adds("stays, so that the agenda is not asked for anew")
    person.page.clock.install()
    adds_in_a_line(person, f"{title} in 5 minutes")
    task = person.task(title)
    edit = task.locator("h3 a").get_attribute("href")
    hear = task.locator("[data-speech]").get_attribute("href")

    def opened(path: str) -> Page:
        page = context.new_page()
        page.clock.install()
        page.goto(path)
        return page

    paths = ("/agenda/search/?q=projet", "/agenda/month/", "/agenda/day/hear/", hear, edit)
    pages = [person.page, *(opened(path) for path in paths)]
    spoken, removed = opened("/agenda"), opened("/agenda")
    spoken.locator(".task", has_text=title).locator("[data-speech]").click()
    expect(spoken.locator(".task .said", has_text=title)).to_be_visible()
    # The others are not told: they shall know by themselves.
    removed.add_init_script("BroadcastChannel.prototype.postMessage = () => {}")
    removed.reload()
    removed.locator(".task", has_text=title).locator("[formaction$='/done/']").click()
    expect(removed.locator(".undo", has_text=title)).to_be_visible()
    for page in (*pages, spoken, removed):
        # Today's sentence has none of tomorrow's, and it may be midnight.
        assert title in page.content() or "/day/" in page.url, page.url

    context.set_offline(True)
    for page in (*pages, spoken, removed):
        page.clock.fast_forward("06:00")
        page.wait_for_timeout(1500)
        assert title not in page.content(), page.url
    assert context.pages[5].get_by_role("status").inner_text().startswith("What stood here")


def test_words_that_are_being_written_outlive_the_task_they_change(arrive):
    person = arrive("en", DESK)
    person.signs_up()
    person.adds("Soon over", lives=timedelta(seconds=6))
    person.page.locator("li.task h3 a").click()
    person.page.locator("[name=notes]").press_sequentially("thoughts of")
    expect(person.page.get_by_role("status")).to_contain_text("forgotten", timeout=15_000)
    expect(person.page.locator("[name=notes]")).to_have_value("thoughts of")
    person.presses("save")
    person.sees("they can become a new task")
    expect(person.page.locator("[name=notes]")).to_have_value("thoughts of")


@pytest.mark.parametrize(
    ("language", "viewport", "words"),
    [
        pytest.param(
            *("fr", DESK),
            ("Rendre le TP 3", "demain 18h", "Chercher", "Mois"),
            id="french-desk",
        ),
        pytest.param(
            *("en", PHONE),
            ("call the bank", "tomorrow 6pm", "Search", "Month"),
            id="english-phone",
        ),
    ],
)
def test_a_task_from_its_line_to_its_end(language, viewport, words, arrive):
    person = arrive(language, viewport)
    title, moment, search, month = words
    person.signs_up()
    adds_in_a_line(person, f"{title} {moment}")
    expect(person.task(title).locator(".clock")).to_have_text("18:00")
    person.page.get_by_role("link", name=search, exact=True).click()
    person.page.locator("#q").fill(title[:4].upper())
    person.page.locator("#q").press("Enter")
    expect(person.task(title)).to_be_visible()
    person.opens()
    person.page.get_by_role("link", name=month, exact=True).click()
    found = person.page.locator("td li a", has_text="18:00")
    expect(found).to_have_count(1)
    if viewport == PHONE:
        own = person.page.locator("li a", has_text="18:00")
        person.page.locator("td", has=own).locator(".opens").click()
    found.click()
    person.page.locator("[name=title]").fill(f"{title} (2)")
    person.presses("save")
    expect(person.task(f"{title} (2)")).to_be_visible()
    before = person.task(title).get_attribute("data-deadline")
    person.chooses(A_DAY_LATER, title)
    expect(person.task(title)).not_to_have_attribute("data-deadline", before or "")
    person.chooses(REMOVE, title)
    expect(person.task(title)).to_have_count(0)
    person.presses("undo")
    expect(person.task(title)).to_be_visible()


def test_enter_in_the_date_of_a_menu_means_that_date(arrive):
    person = arrive("en", DESK)
    page = person.page
    person.signs_up()
    person.adds("write", lives=timedelta(hours=5))
    page.locator("[data-menu]").click()
    expect(page.get_by_role("dialog", name="write")).to_be_visible()
    assert Axe().run(page).response["violations"] == []
    page.screenshot(path=SCREENSHOTS / "menu-en-1280.png")
    page.locator("#later-until").fill("2090-01-01T10:00")
    page.locator("#later-until").press("Enter")
    expect(page.locator(".undo").last).to_contain_text(
        "Later: “write”, until Sunday 1 January 2090"
    )


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize(
    "viewport", [PHONE, {"width": 1280, "height": 800}], ids=["phone", "low-desk"]
)
def test_how_a_line_was_read_is_in_view_with_the_button_that_adds_it(language, viewport, arrive):
    person = arrive(language, viewport, javascript=False)
    page = person.page
    person.signs_up()
    page.locator("#quick").fill("Rendre le TP 3 demain 18 h 30 #projet !")
    page.locator("#quick").press("Enter")
    page.wait_for_url(re.compile(r"/tasks/quick/"))
    add = page.locator("main form button.primary")
    expect(add).to_be_focused()
    until = page.locator(".notice .until")
    expect(until).to_contain_text({"fr": " à 18:30, dans ", "en": " at 18:30, in "}[language])
    for seen in (page.locator(".notice"), until, add):
        expect(seen).to_be_in_viewport(ratio=1)
    page.screenshot(path=SCREENSHOTS / f"read-{language}-{viewport['width']}.png")


@pytest.mark.parametrize(("language", "viewport"), [FRENCH_DESK, ENGLISH_PHONE])
def test_a_line_is_read_in_place_and_a_doubt_is_settled_by_one_press(language, viewport, arrive):
    person = arrive(language, viewport)
    page = person.page
    person.signs_up()
    line, reading = page.locator("#quick"), page.locator("#reading")
    line.press_sequentially("Rendre le TP 3 demain 18 h 30 #projet !")
    near = {"fr": "demain, ", "en": "tomorrow, "}[language]
    expect(reading).to_contain_text(re.compile(rf"{near}.* · 18:30 · .*#projet", re.DOTALL))
    expect(line).to_be_focused()
    assert Axe().run(page).response["violations"] == []
    page.screenshot(path=SCREENSHOTS / f"chips-{language}-{viewport['width']}.png")
    line.fill("Appeler demain à 5h")
    buttons = reading.locator("button")
    expect(buttons).to_have_count(2)
    page.screenshot(path=SCREENSHOTS / f"chips-doubt-{language}-{viewport['width']}.png")
    page.emulate_media(color_scheme="dark")
    page.screenshot(path=SCREENSHOTS / f"chips-dark-{language}-{viewport['width']}.png")
    assert Axe().run(page).response["violations"] == []
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(buttons.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(person.task("Appeler").locator(".clock")).to_have_text("17:00")


@pytest.mark.parametrize(("language", "viewport"), [FRENCH_DESK, ENGLISH_PHONE])
def test_a_forgotten_password_is_set_anew(language, viewport, arrive, mail_server: MailServer):
    person = arrive(language, viewport)
    email = f"{person.name}@example.org"
    person.signs_up(email=email)
    person.page.context.clear_cookies(name="sessionid")
    person.opens("/agenda/sign-in/")
    person.page.locator("a[href='/agenda/reset/']").click()
    before = len(mail_server.letters)
    person.page.locator("[name=email]").fill(email)
    person.page.locator("main form button").click()
    person.page.wait_for_url(re.compile(r"/reset/sent/$"))
    letter = mail_server.next_letter(before + 1)
    assert letter.receivers == [email]
    link = next(word for word in letter.text.split() if "/reset/" in word)
    person.opens(link)
    person.password = "an entirely new one"
    person.page.locator("[name=new_password1]").fill(person.password)
    person.page.locator("[name=new_password2]").fill(person.password)
    person.page.locator("main form button").click()
    person.page.wait_for_url(re.compile(r"/sign-in/$"))
    person.signs_in()
    person.page.wait_for_url(AT_HOME)
    stale = person.page.goto(link)
    assert stale
    assert stale.status == 404


def test_a_line_that_is_being_written_outlives_the_last_task(arrive):
    """With the last task the page is asked for anew: not one word may be lost by that."""
    person = arrive("en", DESK)
    person.signs_up()
    person.adds("Soon over", lives=timedelta(seconds=6))
    line = person.page.locator("#quick")
    line.press_sequentially("Half a li")
    expect(person.page.locator(".empty")).to_be_visible(timeout=15_000)
    expect(line).to_have_value("Half a li")
    expect(line).to_be_focused()
    person.opens()
    expect(line).to_have_value("Half a li")


def test_a_session_that_ends_while_writing_loses_no_text(arrive):
    person = arrive("en")
    person.signs_up()
    person.opens("/agenda/tasks/new/")
    person.writes("A title worth keeping", notes="and notes,\nin two lines")
    cookies = person.page.context.cookies()
    person.page.context.clear_cookies(name="sessionid")
    assert len(person.page.context.cookies()) < len(cookies)
    person.presses("add")
    person.photographs("session-ended")
    person.signs_in()
    expect(person.page.locator("[name=title]")).to_have_value("A title worth keeping")
    expect(person.page.locator("[name=notes]")).to_have_value("and notes,\nin two lines")
    person.photographs("session-words-again")
    person.presses("add")
    expect(person.task("A title worth keeping")).to_be_visible()


def test_words_are_shown_as_written_whatever_they_hold(arrive):
    person = arrive("en")
    person.signs_up()
    for title in ("<script>alert(1)</script>", "🎉 fête à l’école 🎂", "a" * 200):
        person.adds(title)
        expect(person.task(title)).to_be_visible()
    width = person.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, "the page is wider than the window"


def test_mistakes_are_said_beside_the_field(arrive):
    person = arrive("en")
    person.signs_up()
    person.opens("/agenda/tasks/new/")
    person.page.locator("form.card").evaluate("form => form.noValidate = true")
    person.page.locator("[name=title]").fill("")
    person.page.locator("[name=when][value='']").check()
    person.page.locator("[name=deadline_at]").fill("2020-01-01T10:00")
    person.presses("add")
    expect(person.page.locator(".field-title .problem")).to_be_visible()
    person.photographs("mistakes")
    person.page.locator("[name=title]").fill("Too late")
    person.page.locator("form.card").evaluate("form => form.noValidate = true")
    person.presses("add")
    expect(person.page.locator(".field-deadline_at .problem")).to_be_visible()


def test_a_whole_life_without_javascript(arrive):
    person = arrive("fr", PHONE, javascript=False)
    page = person.page
    person.signs_up()
    expect(page.locator("#arm")).to_be_hidden()
    page.locator("#quick").fill("Acheter du pain demain 8h")
    page.locator("#quick").press("Enter")
    expect(page.locator("main .until")).to_contain_text("08:00")
    person.presses("add")
    page.wait_for_url(AT_HOME)
    person.task("Acheter du pain").locator("[data-speech]").click()
    expect(page.locator("audio[controls]")).to_be_visible()
    person.opens()
    page.locator(".hear-day").click()
    expect(page.locator("audio[controls]")).to_be_visible()
    person.opens("/agenda/search/?q=pain")
    expect(person.task("Acheter du pain")).to_be_visible()
    person.task("Acheter du pain").get_by_role("link", name="Acheter du pain", exact=True).click()
    page.locator("[name=title]").fill("Acheter du pain complet")
    person.presses("save")
    expect(person.task("Acheter du pain complet")).to_be_visible()
    person.opens("/agenda/search/?q=pain")
    person.chooses(A_DAY_LATER, "Acheter du pain")
    expect(page.locator(".undo")).to_contain_text("Plus tard")
    person.task("Acheter du pain").get_by_role("button", name="Faite").click()
    person.presses("undo")
    expect(person.task("Acheter du pain")).to_be_visible()
    person.opens("/agenda/account/")
    page.locator("[name=language]").first.select_option("en")
    person.page.locator("main form.card button").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("link", name="Calendar feed").click()
    page.locator("[name=password]").fill(person.password)
    page.get_by_role("button", name="Make a new address").click()
    feed = page.request.get(page.locator("#address").input_value())
    assert feed.status == 200
    assert "Acheter du pain" in feed.text()
    person.opens("/agenda/account/leave/")
    page.locator("[name=password]").fill(person.password)
    page.get_by_role("button", name="Delete everything").click()
    page.wait_for_url(re.compile(r"/sign-in/$"))
    person.words = WORDS["en"]
    person.signs_in()
    expect(page.locator(".problem")).to_be_visible()


def test_the_first_administrator_is_made_in_a_browser(arrive, agenda: ServedAgenda):
    person = arrive("en", DESK)
    path = agenda.manage("agenda_first_admin").strip()
    person.opens(path)
    person.page.locator("[name=username]").fill(person.name)
    person.page.locator("[name=password1]").fill(person.password)
    person.page.locator("[name=password2]").fill(person.password)
    person.page.locator("main form button").click()
    person.page.wait_for_url(re.compile(r"/second-factor/\?next="))
    sets_up(person)
    person.page.get_by_role("link", name="I have written them down").click()
    person.page.wait_for_url(AT_HOME)
    seen = person.page.goto("/admin/")
    assert seen
    assert seen.status == 200
    expect(person.page.locator("#user-tools")).to_contain_text(
        person.name.upper(), ignore_case=True
    )


def test_everything_by_keyboard(arrive):
    """From the address bar: the skip link, quick add, the keys of the help, and no mouse."""
    person = arrive("en", DESK)
    page = person.page
    person.signs_up()
    for line in ("first tomorrow 8am", "second tomorrow 9am"):
        person.opens()
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_class("skip")
        goes_to(page, "#quick")
        page.keyboard.type(line)
        page.keyboard.press("Enter")
        expect(person.task(line.split()[0])).to_be_visible()
    goes_to(page, ".task h3 a")
    page.keyboard.press("j")
    expect(page.locator(":focus")).to_have_text("second")
    page.keyboard.press("k")
    expect(page.locator(":focus")).to_have_text("first")
    page.keyboard.press("?")
    expect(page.locator("#live")).to_contain_text("keep one more day")
    before = person.task("first").get_attribute("data-deadline")
    page.keyboard.press("g")
    expect(person.task("first")).not_to_have_attribute("data-deadline", before or "")
    page.wait_for_load_state()  # the keys are there only then
    goes_to(page, ".task h3 a")
    page.keyboard.press("e")
    page.wait_for_url(re.compile(r"/tasks/[0-9a-f-]{36}/$"))


def goes_to(page: Page, place: str) -> None:
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("place => document.activeElement.matches(place)", place):
            return
    raise AssertionError(f"Tab does not come to {place}")


def test_the_month_is_walked_by_keyboard(arrive):
    person = arrive("en", DESK)
    page = person.page
    person.signs_up()
    adds_in_a_line(person, "walk tomorrow 8am")
    person.opens("/agenda/month/")
    for _ in range(50):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('td li') !== null"):
            break
    expect(page.locator(":focus")).to_contain_text("walk")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/tasks/[0-9a-f-]{36}/$"))


def test_a_phone_s_month_has_dots_and_the_list_of_a_day(arrive):
    person = arrive("en", PHONE, javascript=False)
    page = person.page
    person.signs_up()
    person.adds("walk", lives=timedelta(days=2))
    person.opens("/agenda/month/")
    link = page.locator("td li a", has_text="walk")
    expect(link).not_to_be_visible()
    day = page.locator("td.has-tasks .opens")
    expect(day).to_have_count(1)
    assert day.evaluate("one => getComputedStyle(one, '::after').content") != "none"
    day.click()
    expect(link).to_be_visible()
    page.screenshot(path=SCREENSHOTS / "month-phone.png")
    page.locator("td:target").get_by_role("link", name="Add", exact=True).click()
    page.wait_for_url(re.compile(r"/tasks/new/\?day="))
    expect(page.locator("[name=deadline_at]")).to_have_value(re.compile("T18:00$"))
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) == 0


LEFTS = """(one) => {
  const node = [...one.childNodes].find(child => child.textContent.includes("هذه"));
  const at = node.textContent.indexOf("هذه"), range = document.createRange();
  const left = (from) => (range.setStart(node, from), range.setEnd(node, from + 1),
    range.getBoundingClientRect().left);
  return [left(at), left(node.textContent.indexOf("!", at))];
}"""


def test_words_written_from_right_to_left_end_at_their_left(arrive):
    person = arrive("en", DESK)
    person.signs_up()
    person.adds("هذه مهمة!", notes="هذه ملاحظة!")
    for place in (".what h3 a", ".notes"):
        first, last = person.page.locator(place).evaluate(LEFTS)
        assert last < first, place
    person.chooses(REMOVE, "هذه")
    notice = person.page.locator(".undo .cut")
    expect(notice).to_contain_text("Removed: “هذه مهمة!”.")


def test_a_long_title_does_not_hide_when_a_removed_task_comes_back(arrive):
    person = arrive("en", PHONE)
    person.signs_up()
    adds_in_a_line(person, f"{'W' * 150} every day 8am")
    person.page.locator(".done").click()
    back = person.page.locator(".undo").get_by_text("It comes back on")
    seen = back.evaluate("one => one.clientHeight >= one.scrollHeight && one.innerText")
    assert "at 08:00" in str(seen)
    assert "WW" not in str(seen)


@pytest.mark.parametrize("javascript", [True, False], ids=["script", "plain"])
def test_a_typed_line_outlives_cancel_back_and_another_language(arrive, javascript):
    person, line = arrive("en", PHONE, javascript=javascript), "call the bank"
    page = person.page
    person.signs_up()
    page.locator("#quick").fill(line)
    page.locator("#quick").press("Enter")
    page.get_by_role("link", name="Cancel").click()
    expect(page.locator("#quick")).to_have_value(line)
    page.locator("footer").get_by_role("button", name="Français").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    expect(page.locator("#quick")).to_have_value(line)
    page.locator("#quick").press("Enter")
    expect(page.locator("[name=title]")).to_have_value(line)
    page.locator("[name=when][value='']").check()
    page.locator("[name=deadline_at]").fill("2090-01-01T10:00")
    person.words = WORDS["fr"]
    person.presses("add")
    expect(page.locator("#quick")).to_have_value("")
    for _ in range(2):
        answer = page.go_back()
        assert answer is None or answer.ok
    person.opens()
    expect(page.locator("#quick")).to_have_value("")
    expect(person.task(line)).to_have_count(1)


def test_a_line_sent_without_a_network_waits_and_says_so(arrive):
    person = arrive("en", DESK)
    page = person.page
    person.signs_up()
    page.locator("#quick").fill("call tomorrow 9am")
    expect(page.locator("#reading strong")).to_be_visible()
    page.context.set_offline(True)
    page.locator("#quick").press("Enter")
    expect(page.locator("#live")).to_contain_text("Kept on this device")
    expect(page.locator("#live")).to_contain_text("call tomorrow 9am")
    expect(page.locator("#quick")).to_have_value("")
    page.context.set_offline(False)
    expect(person.task("call")).to_be_visible()


MOVES = """() => [...document.querySelectorAll('*')].filter(one => {
  const style = getComputedStyle(one);
  const lasts = value => value.split(',').some(part => parseFloat(part) > 0);
  return lasts(style.transitionDuration) || lasts(style.animationDuration);
}).length"""


def test_nothing_moves_for_who_asked_for_no_motion(arrive):
    person = arrive("en", DESK)
    person.signs_up()
    adds_in_a_line(person, "stand still tomorrow 8am")
    person.page.emulate_media(reduced_motion="no-preference")
    assert person.page.evaluate(MOVES) > 0, "this test would not notice a movement"
    person.page.emulate_media(reduced_motion="reduce")
    for path in ("/agenda", "/agenda/month/", "/agenda/tasks/new/", "/agenda/account/"):
        person.opens(path)
        assert person.page.evaluate(MOVES) == 0, path


def test_the_connection_is_lost_while_saving_and_nothing_is_half_done(arrive):
    """The answer is lost, not the task; sent again, it is still one task."""
    person = arrive("en", DESK, expects_errors=True)
    page = person.page
    person.signs_up()
    person.opens("/agenda/tasks/new/")
    person.writes("Only once")

    def swallow(route: Route) -> None:
        page.request.fetch(route.request, max_redirects=0)
        route.abort("connectionreset")

    page.route("**/agenda/tasks/new/", swallow, times=1)
    page.locator("main form.card button").click()
    page.wait_for_url("chrome-error://**")
    page.reload()  # sends the form again, as a person does
    page.wait_for_url(AT_HOME)
    expect(person.task("Only once")).to_have_count(1)


def test_the_page_says_when_the_agenda_cannot_be_reached(arrive):
    person = arrive("en", DESK, expects_errors=True)
    person.signs_up()
    adds_in_a_line(person, "listen tomorrow 8am")
    person.page.context.set_offline(True)
    person.task("listen").locator("[data-speech]").click()
    expect(person.page.locator("#live")).to_contain_text("cannot be reached")
    person.page.context.set_offline(False)


def test_the_database_is_away_and_comes_back(arrive, agenda: ServedAgenda):
    """A page of our own, with its style and in the reader's language; then all is there again."""
    person = arrive("fr", PHONE, expects_errors=True)
    person.signs_up()
    adds_in_a_line(person, "Revenir demain 8h")
    agenda.database.stop()
    try:
        answer = person.page.goto("/agenda")
        assert answer
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert is_styled(person.page)
        person.photographs("screen-fr-phone-unavailable")
    finally:
        agenda.database.start()
    person.opens()
    expect(person.task("Revenir")).to_be_visible()


def is_styled(page: Page) -> bool:
    return bool(page.evaluate("getComputedStyle(document.querySelector('.button')).borderRadius"))
