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


def answers_whose_voice(person, title: str) -> None:
    """The first press asks whose voice may say it: the words stay here."""
    person.task(title).locator("[data-speech]").click()
    answer = re.compile("Keep my words here|Garder mes mots ici")
    person.page.get_by_role("button", name=answer).click()
    expect(person.page.locator("audio")).to_be_visible()
    person.opens()


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
    talk = "Préparer l’exposé" if language == "fr" else "Prepare the talk"
    stranger.adds(talk, notes="20 min")
    answers_whose_voice(stranger, talk)
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
