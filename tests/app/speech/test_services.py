import logging
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from speech import google as client
from speech import google_line, local, mp3, services
from speech.cache import GOOGLE_LINE
from speech.errors import SpeechError
from speech.sentences import Part
from speech.services import (
    erase_changed,
    erase_expired,
    forget,
    forget_all,
    leaves_network,
    problems,
)
from tests.app.speech.google_stand_in import StandInProxy

LIMIT_S = 5.0


def opened_breaker(folder):
    with (
        pytest.raises(client.GoogleError),
        google_line.google_lock(folder / GOOGLE_LINE, limit_s=0.0),
    ):
        raise client.GoogleError("429", is_refusal=True)


def test_google_speaks_where_it_may(site):
    speech = site.speak()

    assert (speech.voice, speech.audio) == ("google", site.google.audio)
    assert site.kept() == ["google"]


def test_what_was_spoken_is_not_made_again(site):
    first = site.speak()
    second = site.speak()

    assert first == second
    assert len(site.google.asked) == 1


def test_the_etag_is_quoted_and_tells_words_and_voices_apart(site):
    by_google = site.speak()
    other = site.speak(text="Autre chose.")
    by_machine = site.speak(private=True)

    tags = {speech.etag for speech in (by_google, other, by_machine)}
    assert len(tags) == 3
    assert all(tag.startswith('"') and tag.endswith('"') for tag in tags)


@pytest.mark.parametrize("private", [True, False], ids=["local", "google"])
def test_who_wants_to_hear_it_slower_or_faster_gets_other_audio(site, private):
    said = {speed: site.speak(speed=speed, private=private) for speed in ("slow", "normal", "fast")}

    assert len({speech.etag for speech in said.values()}) == 3
    assert said["slow"] == site.speak(speed="slow", private=private)
    if not private:
        assert [one.get("slow", False) for one in site.google.asked] == [True, False, False]


def test_a_private_task_never_reaches_google(site):
    speech = site.speak(private=True)
    site.speak(private=True)
    site.drain()

    assert speech.voice == "local"
    assert site.google.asked == []


def test_a_task_made_private_is_not_heard_in_googles_voice_any_more(site):
    site.speak()

    assert site.speak(private=True).voice == "local"


@pytest.mark.parametrize("private", [True, False], ids=["local", "google"])
def test_either_voice_falls_silent_once_its_task_says_other_words(site, private):
    site.speak(private=private, tasks=(("a-task", "as it was"),))

    assert erase_changed(lambda _: {"a-task": "as it was"}) == 0
    assert erase_changed(lambda _: {"a-task": "other words"}) == 1
    assert site.kept() == []


@pytest.mark.parametrize("mode", ["local", "google"])
def test_the_site_decides_whether_words_leave_it(site, mode):
    site.settings.AGENDA_SPEECH = mode

    assert site.speak().voice == mode
    assert leaves_network() == (mode == "google")
    assert bool(site.google.asked) == (mode == "google")


def test_a_silent_site_says_so(site):
    site.settings.AGENDA_SPEECH = "off"

    assert not services.is_enabled()
    assert problems() == []
    with pytest.raises(SpeechError, match="off"):
        site.speak()


@pytest.mark.parametrize(
    "mood",
    [
        *("refuse", "consent", "cut", "cut_chunks", "broken", "missing", "redirect", "empty"),
        *("not_mp3", "not_base64", "flood"),
    ],
)
def test_when_google_fails_the_machine_speaks_and_nothing_wrong_is_kept(site, mood):
    site.google.behave(mood)

    speech = site.speak()
    site.drain()

    assert speech.voice == "local"
    assert mp3.is_mp3(speech.audio)
    assert site.kept() == ["local"]


def test_the_patience_with_google_leaves_the_local_voice_half_a_second_of_the_three():
    assert services.PATIENCE_S <= 2.5


@pytest.mark.parametrize("mood", ["hang", "drip"])
def test_when_google_hangs_the_machine_speaks_once_patience_is_over(site, mood):
    """The limit is ten times the fixture's patience, and less than the call itself may take."""
    site.google.behave(mood)

    began_s = time.monotonic()
    speech = site.speak()
    took_s = time.monotonic() - began_s

    assert speech.voice == "local"
    assert took_s < services.CALL_S
    assert site.kept() == ["local"]


class Unanswered:
    """Google's line, where every answer is too late: it notes how long one would have waited."""

    def __init__(self, *, is_late=False):
        self.waits_s, self._is_late = [], is_late

    def ask(self, *_):
        return self

    def result(self, timeout):
        self.waits_s.append(timeout)
        raise TimeoutError

    def is_late(self, *_):
        return self._is_late


@pytest.mark.parametrize("is_late", [False, True])
def test_a_request_waits_for_google_unless_the_line_is_late(site, monkeypatch, is_late):
    line = Unanswered(is_late=is_late)
    monkeypatch.setattr(services, "CALLER", line)

    assert site.speak().voice == "local"
    assert [wait_s > 0 for wait_s in line.waits_s] == [True] * (not is_late)


def test_nobody_waits_for_google_while_a_voice_lies_ready(site, monkeypatch):
    site.google.behave("missing")
    site.speak()
    line = Unanswered()
    monkeypatch.setattr(services, "CALLER", line)

    assert site.speak().voice == "local"
    assert line.waits_s == []


@pytest.mark.parametrize(("requests", "seconds"), [(1, 6.0), (3, 8.0)])
def test_each_request_of_a_call_gives_it_a_second_more(site, monkeypatch, requests, seconds):
    after, given = client.Deadline.after, []

    def noted(seconds):
        given.append(seconds)
        return after(seconds)

    monkeypatch.setattr(client.Deadline, "after", noted)

    site.speak(text="mot " * 25 * requests)

    assert given == [seconds]


def test_the_folders_limit_is_in_mebibytes(site):
    assert services._cache().limit_bytes == 10 * 2**20


def test_a_server_error_is_forgiven_once(site):
    site.google.behave("broken", "good")

    assert site.speak().voice == "google"


def test_a_late_answer_is_there_the_next_time(site):
    site.wait_for_google(0.1)
    may_arrive = site.hold_google()

    assert site.speak().voice == "local"
    may_arrive.set()
    site.drain()
    assert site.kept() == ["google", "local"]
    assert site.speak().voice == "google"


def test_behind_the_local_voice_google_is_asked_again_for_the_next_time(site):
    site.google.behave("missing", "good")

    assert [site.speak().voice, site.speak().voice] == ["local", "local"]
    site.drain()
    assert site.speak().voice == "google"


def test_nobody_waits_behind_a_call_that_is_late(site):
    site.wait_for_google(0.2)
    site.google.behave("hang")
    site.speak()
    asked = len(site.google.asked)

    began_s = time.monotonic()
    speech = site.speak(subject="another")

    assert speech.voice == "local"
    assert time.monotonic() - began_s < services.CALL_S
    assert len(site.google.asked) == asked


@pytest.mark.parametrize(("mood", "times"), [("missing", 3), ("refuse", 1)])
def test_google_is_left_alone_after_three_failures_or_one_refusal(site, mood, times):
    site.google.behave(mood)
    for number in range(5):
        assert site.speak(subject=str(number)).voice == "local"

    assert len(site.google.asked) == times


def all_at_once(count, work):
    barrier = threading.Barrier(count)

    def meet():
        barrier.wait()
        work()

    threads = [threading.Thread(target=meet) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_many_listeners_at_once_ask_google_once(site):
    site.wait_for_google(2.5)
    heard = []

    all_at_once(6, lambda: heard.append(site.speak().voice))

    assert heard == ["google"] * 6
    assert len(site.google.asked) == 1


def test_many_listeners_at_once_make_the_local_voice_once(site, monkeypatch):
    site.settings.AGENDA_SPEECH = "local"
    made, speak = [], local.speak

    def counted(sentence, **options):
        made.append(sentence)
        return speak(sentence, **options)

    monkeypatch.setattr(local, "speak", counted)

    all_at_once(6, site.speak)

    assert len(made) == 1


def test_whoever_waits_too_long_for_another_maker_hears_the_machine(site):
    site.wait_for_google(0.1)
    with services._cache().lock("a-task", limit_s=1.0):
        assert site.speak().voice == "local"


def test_without_a_disk_the_machine_still_speaks(site):
    site.folder.rmdir()

    assert site.speak().voice == "local"
    assert problems() == [f"cannot write in {str(site.folder)!r}: No such file or directory"]


def test_forgetting_also_reaches_what_is_still_on_its_way(site):
    site.wait_for_google(0.1)
    may_arrive = site.hold_google()
    site.speak()

    forget("a-task")
    may_arrive.set()
    site.drain()

    assert site.google.asked
    assert site.kept() == []


def test_google_may_answer_after_the_deadline_and_nothing_is_kept(site):
    now = datetime.now(UTC)
    site.at = now - timedelta(hours=1)

    site.speak(expires_at=now - timedelta(seconds=1))
    site.drain()

    assert "google" not in site.kept()


def test_the_timer_erases_without_asking_anyone(site):
    site.speak()

    assert erase_expired(at=site.at) == 0
    assert erase_expired(at=site.at + timedelta(hours=1)) == 1
    assert site.kept() == []


def test_a_day_too_long_for_google_is_spoken_here(site):
    assert site.speak(text="Encore une tâche. " * 200).voice == "local"
    assert site.google.asked == []


def test_a_full_waiting_room_is_no_failure(site, monkeypatch):
    monkeypatch.setattr(services.CALLER, "ask", lambda *_: None)

    assert site.speak().voice == "local"


def test_a_machine_without_any_voice_says_so(site, monkeypatch, tmp_path):
    site.settings.AGENDA_SPEECH = "local"
    assert problems() == []
    monkeypatch.setenv("PATH", str(tmp_path))

    assert problems() == ["espeak-ng is not installed"]
    with pytest.raises(SpeechError):
        site.speak()


def test_no_log_holds_the_words(site, caplog):
    site.google.behave("missing")
    with caplog.at_level(logging.DEBUG):
        site.speak(text="Un secret, demain à midi.")
        site.drain()

    assert caplog.messages
    assert "secret" not in caplog.text


def test_many_are_forgotten_at_once(site):
    for subject in ("a-task", "another"):
        site.speak(subject=subject, private=True)

    forget_all(["a-task", "never-heard"])

    assert site.kept() == ["local"]


BOTH = (Part("en", "Call the bank,"), Part("fr", " demain à midi."))


def test_google_is_asked_for_each_language_in_its_own_voice(site):
    speech = site.speak(parts=BOTH)

    assert site.words(parts=BOTH).text == "Call the bank, demain à midi."
    assert speech.audio == site.google.audio * 2
    assert [asked["language"] for asked in site.google.asked] == ["en", "fr"]


def test_two_languages_are_one_sound_of_the_machine(site):
    whole, first, second = (
        mp3.duration_s(site.speak(private=True, parts=parts).audio)
        for parts in (BOTH, BOTH[:1], BOTH[1:])
    )

    assert whole == pytest.approx(first + second, abs=0.1)


def test_words_in_another_language_are_another_sound(site):
    english, french = (
        site.speak(private=True, parts=(Part(language, "Station"),)) for language in ("en", "fr")
    )

    assert english.etag != french.etag
    assert english.audio != french.audio


def test_of_no_words_nothing_is_asked(site):
    with pytest.raises(SpeechError, match="nothing to say"):
        site.speak(parts=())
    assert site.google.asked == []


@pytest.mark.parametrize(
    ("mode", "private", "stays_here"),
    [("google", False, False), ("google", True, True), ("local", False, True)],
)
def test_the_local_voice_says_whether_its_words_may_be_on_their_way(
    site, mode, private, stays_here
):
    site.settings.AGENDA_SPEECH = mode
    site.google.behave("missing")

    speech = site.speak(private=private)

    assert (speech.voice, speech.stays_here) == ("local", stays_here)


def test_google_is_asked_through_the_sites_proxy(site):
    with StandInProxy(site.google.url, mood="refuse") as proxy:
        site.settings.AGENDA_GOOGLE_URL = ""
        site.settings.AGENDA_GOOGLE_PROXY = proxy.url
        assert site.speak().voice == "local"

    assert proxy.asked == ["CONNECT translate.google.com:443"]
