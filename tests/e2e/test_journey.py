"""A stranger comes, signs up, adds a task, hears it, and sees it vanish at its deadline."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import DESK, PHONE
from tests.e2e.person import SITE_ZONE

pytestmark = pytest.mark.e2e

LIVES = timedelta(seconds=9)
GONE_MS = 15_000


def hears(person, title: str) -> None:
    """Press the button beside the task; the sound comes as audio/mpeg and can be decoded."""
    with person.page.expect_response(re.compile(r"/speech\.mp3$")) as answer:
        person.task(title).locator("[data-speech]").click()
    assert answer.value.status == 200
    assert answer.value.headers["content-type"] == "audio/mpeg"
    assert decoded_seconds(person.page, answer.value.url) > 1


def decoded_seconds(page: Page, url: str) -> float:
    """How long the browser itself finds the sound, once it has played a little of it."""
    return page.evaluate(
        """async url => {
          const sound = new Audio(url);
          await sound.play();
          await new Promise((done, failed) => {
            sound.ontimeupdate = () => sound.currentTime > 0.1 && done();
            sound.onerror = () => failed(sound.error.message);
          });
          sound.pause();
          return sound.duration;
        }""",
        url,
    )


@pytest.mark.parametrize(
    ("language", "viewport", "title"),
    [
        pytest.param("fr", DESK, "Rendre le TP 3 à Mme Élise", id="french at a desk"),
        pytest.param("en", PHONE, "Call the bank", id="english on a phone"),
    ],
)
def test_a_stranger_uses_the_agenda(language, viewport, title, visit):
    stranger = visit(language, viewport)
    shot = f"{language}-{'phone' if viewport == PHONE else 'desk'}"
    stranger.opens("/")
    expect(stranger.page).to_have_url(re.compile(r"/agenda/sign-in/"))
    stranger.photographs(f"{shot}-1-sign-in")
    stranger.signs_up()
    stranger.photographs(f"{shot}-2-empty")
    stranger.adds("Préparer l’exposé" if language == "fr" else "Prepare the talk", notes="20 min")
    deadline_at = stranger.adds(title, lives=LIVES)
    task = stranger.task(title)
    expect(task).to_be_visible()
    stranger.photographs(f"{shot}-3-agenda")
    hears(stranger, title)
    stranger.photographs(f"{shot}-4-heard")
    expect(task).to_have_count(0, timeout=GONE_MS)
    assert datetime.now(SITE_ZONE) >= deadline_at - timedelta(seconds=1)
    stranger.opens()
    expect(task).to_have_count(0)
    expect(stranger.page.locator("li.task")).to_have_count(1)
    stranger.photographs(f"{shot}-5-forgotten")


def test_everything_works_without_javascript(visit):
    person = visit("fr", PHONE, javascript=False)
    person.signs_up()
    person.adds("Acheter du pain", lives=LIVES)
    person.task("Acheter du pain").locator("[data-speech]").click()
    sound = person.page.locator("audio[controls]")
    expect(sound).to_be_visible()
    person.photographs("no-javascript-hear")
    answer = person.page.request.get(sound.get_attribute("src"))
    assert (answer.status, answer.headers["content-type"]) == (200, "audio/mpeg")
    person.opens()
    person.task("Acheter du pain").get_by_role("link", name="Acheter du pain", exact=True).click()
    person.page.locator("[name=title]").fill("Acheter du pain complet")
    person.presses("save")
    expect(person.task("Acheter du pain complet")).to_be_visible()
    person.task("Acheter du pain").get_by_role("button", name="Enlever").click()
    person.presses("undo")
    expect(person.task("Acheter du pain complet")).to_be_visible()
    person.page.wait_for_timeout(LIVES.total_seconds() * 1000)
    person.opens()
    expect(person.page.locator("li.task")).to_have_count(0)


def test_a_session_that_ends_while_writing_loses_no_text(visit):
    person = visit("en")
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


def test_words_are_shown_as_written_whatever_they_hold(visit):
    person = visit("en")
    person.signs_up()
    for title in ("<script>alert(1)</script>", "🎉 fête à l’école 🎂", "a" * 200):
        person.adds(title)
        expect(person.task(title)).to_be_visible()
    width = person.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, "the page is wider than the window"


def test_mistakes_are_said_beside_the_field(visit):
    person = visit("en")
    person.signs_up()
    person.opens("/agenda/tasks/new/")
    person.page.locator("form.card").evaluate("form => form.noValidate = true")
    person.page.locator("[name=title]").fill("")
    person.page.locator("[name=deadline_at]").fill("2020-01-01T10:00")
    person.presses("add")
    expect(person.page.locator(".field-title .problem")).to_be_visible()
    person.photographs("mistakes")
    person.page.locator("[name=title]").fill("Too late")
    person.page.locator("form.card").evaluate("form => form.noValidate = true")
    person.presses("add")
    expect(person.page.locator(".field-deadline_at .problem")).to_be_visible()
