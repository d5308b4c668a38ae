"""One line becomes a title and a deadline, shown before it is saved."""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone, translation

from agenda.models import Task
from agenda.times import day_and_time_at, rule_words
from agenda.views.lookups import LINE_COOKIE

QUICK = "/agenda/tasks/quick/"
RULED = "bins every other monday 18:00 until 2099-12-31"


def test_what_was_read_is_shown_and_not_yet_saved(page):
    response = page.post(QUICK, {"line": "Rendre le TP tomorrow 18:00"}, follow=True)
    content = response.content.decode()
    assert 'value="Rendre le TP"' in content
    assert "T18:00" in content
    assert "was read as the deadline" in content
    assert not Task.objects.exists()


@pytest.mark.parametrize(
    ("language", "left", "said"),
    [
        ("fr", timedelta(hours=27), "lundi 30 novembre à 18:00, dans 27 heures"),
        ("en", timedelta(hours=27), "Monday 30 November at 18:00, in 27 hours"),
        ("en", timedelta(hours=3), "Monday 30 November at 18:00, in 3 h 00"),
        ("fr", timedelta(days=3), "lundi 30 novembre à 18:00, dans 3 jours"),
        ("fr", timedelta(days=360), "lundi 30 novembre 2026 à 18:00, dans 360 jours"),
    ],
)
def test_the_deadline_that_was_read_is_said_in_words(language, left, said):
    until = datetime(2026, 11, 30, 18, tzinfo=ZoneInfo("Europe/Paris"))
    with translation.override(language):
        assert day_and_time_at(until, until - left) == said


def test_the_deadline_stands_in_words_above_the_form(page):
    content = page.post(QUICK, {"line": "TP tomorrow 18:00"}, follow=True).content.decode()
    before = content[: content.index('action="/agenda/tasks/new/"')]
    assert re.search(r'class="until">\w+day \d+ \w+( \d{4})? at 18:00, in \d+ hours<', before)


def test_a_rule_goes_through_the_form_into_the_task_and_is_said_in_words(page):
    content = page.post(QUICK, {"line": RULED}, follow=True).content.decode()
    rule = "FREQ=WEEKLY;INTERVAL=2;UNTIL=20991231"
    assert f'<option value="{rule}" selected>every 2 weeks, until 31 December 2099<' in content
    sent = {"title": "bins", "deadline_at": "2098-12-01T18:00", "priority": "0", "repeat": rule}
    page.post("/agenda/tasks/new/", sent)
    task = Task.objects.get()
    assert (task.repeat, task.repeats) == ("rule", rule)
    assert (
        "every 2 weeks, until 31 December 2099"
        in page.get("/agenda/search/?q=bins").content.decode()
    )
    edited = page.get(f"/agenda/tasks/{task.id}/").content.decode()
    assert f'<option value="{rule}" selected>' in edited
    page.post(f"/agenda/tasks/{task.id}/", sent | {"repeat": "daily"})
    task.refresh_from_db()
    assert (task.repeats, task.repeat_rule) == ("daily", "")


@pytest.mark.parametrize(
    ("language", "rule", "words"),
    [
        ("en", "FREQ=DAILY;INTERVAL=3", "every 3 days"),
        ("fr", "FREQ=DAILY;INTERVAL=3", "tous les 3 jours"),
        ("fr", "FREQ=WEEKLY;BYDAY=MO,TH", "toutes les semaines : lundi, jeudi"),
        ("en", "FREQ=MONTHLY;BYDAY=-1FR", "every month: the last Friday"),
        ("fr", "FREQ=YEARLY;UNTIL=20301201", "tous les ans, jusqu’au 1 décembre 2030"),
    ],
)
def test_a_rule_is_said_in_words(language, rule, words):
    with translation.override(language):
        assert rule_words(rule) == words


CHOSEN = re.compile(r'name="chosen"\s+value="([^"]+)"')


def chips(page, line):
    content = page.post(QUICK, {"line": line, "peek": ""}).content.decode()
    assert "<html" not in content
    return content, CHOSEN.findall(content)


def test_chips_say_how_a_line_is_read_while_it_is_written(page):
    content, chosen = chips(page, "Rendre le TP tomorrow 18:00 #projet !! every day")
    assert re.search(r"tomorrow, \w{3} \d+ \w+\.? · 18:00 · in \d+ h", content)
    for word in ("#projet", "urgent", "every day", "Enter adds it."):
        assert word in content
    assert len(chosen) == 1
    assert not Task.objects.exists()


def test_what_stood_in_the_chips_is_added_at_once_and_only_once(page):
    line = "Rendre le TP tomorrow 18:00 #projet"
    content, (chosen,) = chips(page, line)
    identity = re.search('name="identity" value="([^"]+)"', content)[1]
    for _ in range(2):
        sent = {"line": line, "chosen": chosen, "identity": identity}
        response = page.post(QUICK, sent, follow=True)
    assert response.redirect_chain[0][0] == "/agenda"
    assert "Added: “Rendre le TP”, " in response.content.decode()
    task = Task.objects.get()
    assert (task.title, task.tag_names) == ("Rendre le TP", ["projet"])


def test_undoing_an_addition_undoes_the_whole_series(page, alice):
    page.post(QUICK, {"line": (line := "walk every day 18:00"), "chosen": chips(page, line)[1][0]})
    notice = page.get("/agenda").content.decode()
    (path,) = re.findall(r'action="(/agenda/tasks/\S+/remove/)"\s+class="notice', notice)
    assert '<button name="for_good">' in notice
    removed = page.post(path, {"for_good": ""}, follow=True).content.decode()
    assert "Removed: “walk”" in removed
    assert "It comes back on" not in removed


@pytest.mark.parametrize("chosen", ["2026-01-01T18:00 ", "2030-01-01T18:00 ", "x", "9999"])
def test_a_reading_that_is_no_longer_the_same_is_asked_about(page, chosen):
    content = page.post(
        QUICK, {"line": "TP tomorrow 18:00", "chosen": chosen}, follow=True
    ).content.decode()
    assert "was read as the deadline" in content
    assert not Task.objects.exists()


def test_a_line_with_a_word_that_was_not_understood_is_asked_about(page):
    line = "TP tomorrow 18:00 #b/c"
    content, chosen = chips(page, line)
    assert ("18:00" in content, chosen, "Add asks first." in content) == (True, [], True)
    moment = (timezone.localtime() + timedelta(days=1)).date()
    page.post(QUICK, {"line": line, "chosen": f"{moment}T18:00 "})
    assert not Task.objects.exists()


def test_a_doubtful_line_has_a_button_for_each_meaning_and_one_press_adds_it(page):
    line = "call Ann tomorrow at 5"
    content, chosen = chips(page, line)
    assert "Which one?" in content
    assert [mark[-6:] for mark in chosen] == ["05:00 ", "17:00 "]
    page.post(QUICK, {"line": line, "chosen": chosen[1]})
    task = Task.objects.get()
    assert (task.title, f"{timezone.localtime(task.deadline_at):%H:%M}") == ("call Ann", "17:00")


@pytest.mark.parametrize(
    ("line", "question", "count"),
    [
        ("call Ann tomorow at noon", "Did you mean:", 1),
        ("call Ann tomorrow at 5", "Which one?", 2),
        ("change the filter every 6 months", "From when?", 2),
    ],
)
def test_the_question_fits_the_answers_to_tap(page, line, question, count):
    content, chosen = chips(page, line)
    asked = re.findall("Did you mean:|Which one[?]|From when[?]", content)
    assert (asked, len(chosen)) == ([question], count)


def test_a_rhythm_without_a_day_begins_on_the_day_that_was_tapped(page):
    line = "change the filter every 6 months"
    _, (_today, later) = chips(page, line)
    page.post(QUICK, {"line": line, "chosen": later})
    task = Task.objects.get()
    assert (task.title, task.repeats) == ("change the filter", "FREQ=MONTHLY;INTERVAL=6")
    assert (task.deadline_at - timezone.now()).days > 170


def test_of_a_range_it_is_said_that_its_end_counts(page):
    line = "meeting tomorrow from 5pm to 6pm"
    assert "18:00" in chips(page, line)[0]
    assert "the end of that time" in chips(page, line)[0]
    assert "the end of that time" in page.post(QUICK, {"line": line}, follow=True).content.decode()


def test_a_line_without_a_moment_has_no_chips(page):
    assert chips(page, "Du pain")[0].strip() == ""


def test_a_title_that_is_too_long_is_asked_about(page):
    line = f"{'x' * 201} tomorrow 18:00"
    _, (chosen,) = chips(page, line)
    assert page.post(QUICK, {"line": line, "chosen": chosen}).url == QUICK
    assert not Task.objects.exists()


def test_what_cannot_be_read_is_said(page):
    response = page.post(QUICK, {"line": "Rendre le TP"}, follow=True)
    assert b"No moment could be read" in response.content
    assert b'value="Rendre le TP"' in response.content


def test_all_that_was_read_is_in_the_form(page):
    line = "standup every weekday 9:30 #team !! 25h"
    content = page.post(QUICK, {"line": line}, follow=True).content.decode()
    assert 'value="team"' in content
    assert '<option value="2" selected>' in content
    assert '<option value="weekdays" selected>' in content
    assert "Not understood: “25h”" in content
    assert "“every weekday” was read as how often. Say until when." in content


def test_a_line_outlives_back_cancel_and_another_language_until_it_is_added(page, alice, bob):
    line = "Rendre le TP 🎉 tomorrow 18:00"
    assert page.post(QUICK, {"line": line}).url == QUICK
    for _ in range(2):  # Back, or loaded again
        asked = page.get(QUICK).text
        assert 'value="Rendre le TP 🎉"' in asked
    assert f'value="{line}"' in page.get("/agenda").text
    page.post("/agenda/language/", {"language": "fr", "next": QUICK})
    assert 'value="Rendre le TP 🎉' in page.get(QUICK).text
    page.force_login(bob)
    assert "Rendre le TP" not in page.get("/agenda").text
    page.force_login(alice)
    identity = re.search(r'name="identity" value="([^"]+)"', asked)[1]
    sent = {"identity": identity, "title": "Rendre le TP", "deadline_at": "2090-01-01T10:00"}
    page.post("/agenda/tasks/new/", sent)
    assert Task.objects.get().title == "Rendre le TP"
    assert page.get(QUICK).url == "/agenda/tasks/new/"
    assert line not in page.get("/agenda").text


def test_a_line_too_long_for_a_cookie_is_asked_about_at_once(page):
    line = " ".join(secrets.token_hex(8) for _ in range(300))
    answer = page.post(QUICK, {"line": line})
    assert (answer.status_code, LINE_COOKIE in answer.cookies) == (200, False)


def test_a_line_that_somebody_else_wrote_into_a_cookie_is_nobody_s(page):
    page.cookies[LINE_COOKIE] = "WyJ4IiwgInkiXQ:1abc:x"
    assert page.get("/agenda").status_code == 200
    assert page.get(QUICK).url == "/agenda/tasks/new/"
