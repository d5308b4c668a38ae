"""One line becomes a title and a deadline, shown before it is saved."""

from __future__ import annotations

import re
import secrets
import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone, translation
from hypothesis import given
from hypothesis import strategies as st

from agenda.models import Task
from agenda.quick_add.line import read_line
from agenda.times import day_and_time_at, rule_words
from agenda.views.lookups import LINE_COOKIE

QUICK = "/agenda/tasks/quick/"
TUESDAY = datetime(2026, 11, 24, 10, 0)
RULED = "bins every other monday 18:00 until 2099-12-31"
SIX = datetime(2026, 11, 24, 18)


@pytest.mark.parametrize(
    ("line", "title", "wall"),
    [
        ("Rendre le TP 3 demain 18h", "Rendre le TP 3", datetime(2026, 11, 25, 18)),
        ("call the bank in 20 min", "call the bank", datetime(2026, 11, 24, 10, 20)),
        ("réunion lundi 14h30", "réunion", datetime(2026, 11, 30, 14, 30)),
        ("Dîner ce soir", "Dîner", datetime(2026, 11, 24, 20)),
        ("dinner tonight", "dinner", datetime(2026, 11, 24, 20)),
        ("18h appeler Paul", "appeler Paul", datetime(2026, 11, 24, 18)),
        ("Appeler à 9h", "Appeler", datetime(2026, 11, 25, 9)),
        ("Loyer le 1er décembre", "Loyer", datetime(2026, 12, 1, 23, 59)),
        ("examen 12/03 à 8h", "examen", datetime(2027, 3, 12, 8)),
        ("TP dans 2 jours", "TP", datetime(2026, 11, 26, 10)),
        ("Manger midi", "Manger", datetime(2026, 11, 24, 12)),
        ("demain rendre le TP", "rendre le TP", datetime(2026, 11, 25, 23, 59)),
        ("meet Ann next friday at 3pm", "meet Ann", datetime(2026, 11, 27, 15)),
        ("rendre lundi prochain à 10h le plan", "rendre le plan", datetime(2026, 11, 30, 10)),
        ("pay rent 2026-12-01 18:00", "pay rent", datetime(2026, 12, 1, 18)),
        ("Lire le livre dans le train", "Lire le livre dans le train", None),
        ("Lire 3 chapitres", "Lire 3 chapitres", None),
        ("", "", None),
        ("1er avril farce", "farce", datetime(2027, 4, 1, 23, 59)),
        ("may call the bank tomorrow", "may call the bank", datetime(2026, 11, 25, 23, 59)),
        ("TP le 12.03 8h", "TP", datetime(2027, 3, 12, 8)),
        ("le 29/02 fête", "le 29/02 fête", None),
        ("ce soir 21h film", "film", datetime(2026, 11, 24, 21)),
        ("diner tonight 9pm", "diner", datetime(2026, 11, 24, 21)),
        ("demain soir 8h film", "film", datetime(2026, 11, 25, 20)),
        ("appeler demain matin", "appeler", datetime(2026, 11, 25, 12)),
        ("call Ann tomorrow afternoon", "call Ann", datetime(2026, 11, 25, 18)),
        ("courses cet après-midi", "courses", datetime(2026, 11, 24, 18)),
        ("TP dans 1h30", "TP", datetime(2026, 11, 24, 11, 30)),
        ("TP dans une heure et demie", "TP", datetime(2026, 11, 24, 11, 30)),
        ("pain dans une demi-heure", "pain", datetime(2026, 11, 24, 10, 30)),
        ("tea in half an hour", "tea", datetime(2026, 11, 24, 10, 30)),
        ("call in 2 hours and 5 min", "call", datetime(2026, 11, 24, 12, 5)),
        ("vérifier dans 3 mois", "vérifier", datetime(2027, 2, 24, 10)),
        ("revenir dans 2 semaines", "revenir", datetime(2026, 12, 8, 10)),
        ("TP 3 déc. 8h", "TP", datetime(2026, 12, 3, 8)),
        ("party Dec 3 8pm", "party", datetime(2026, 12, 3, 20)),
        ("meet in an office tomorrow", "meet in an office", datetime(2026, 11, 25, 23, 59)),
        ("aller à un match samedi 15h", "aller à un match", datetime(2026, 11, 28, 15)),
        ("this week report", "report", datetime(2026, 11, 29, 23, 59)),
        ("fêter le an 2000", "fêter le an 2000", None),
        ("note 12/20 de maths", "note 12/20 de maths", None),
    ],
)
def test_a_line_is_read_in_both_languages(line, title, wall):
    found = read_line(line, at=TUESDAY, language="fr")
    assert (found.title, found.wall) == (title, wall)


@pytest.mark.parametrize(
    ("line", "title", "tags", "priority", "wall"),
    [
        (
            "réunion lundi 14h30 #projet !",
            "réunion",
            ("projet",),
            1,
            datetime(2026, 11, 30, 14, 30),
        ),
        (
            "#TP #réseaux, rendre !! demain",
            "rendre",
            ("tp", "réseaux"),
            2,
            datetime(2026, 11, 25, 23, 59),
        ),
        ("Bravo! à 18h", "Bravo!", (), 0, SIX),
        ("#a #A x 18h", "x", ("a",), 0, SIX),
        ("C# in 20 min", "C#", (), 0, datetime(2026, 11, 24, 10, 20)),
    ],
)
def test_tags_and_priority_are_read(line, title, tags, priority, wall):
    found = read_line(line, at=TUESDAY, language="fr")
    assert (found.title, found.tags, found.priority, found.wall) == (title, tags, priority, wall)
    assert found.unread == ()


@pytest.mark.parametrize(
    ("line", "title", "repeat", "wall"),
    [
        ("poubelles tous les lundis 20h", "poubelles", "weekly", datetime(2026, 11, 30, 20)),
        ("piscine chaque samedi", "piscine", "weekly", datetime(2026, 11, 28, 23, 59)),
        ("arroser chaque semaine vendredi 8h", "arroser", "weekly", datetime(2026, 11, 27, 8)),
        ("standup every weekday 9:30", "standup", "weekdays", datetime(2026, 11, 25, 9, 30)),
        ("bus du lundi au vendredi à 8h", "bus", "weekdays", datetime(2026, 11, 25, 8)),
        ("pills every day", "pills", "daily", datetime(2026, 11, 24, 23, 59)),
        ("pills every day 8am", "pills", "daily", datetime(2026, 11, 25, 8)),
        ("loyer le 5 de chaque mois à 8h", "loyer", "monthly", datetime(2026, 12, 5, 8)),
        ("loyer tous les 5 du mois", "loyer", "monthly", datetime(2026, 12, 5, 23, 59)),
        ("rent every 31st at noon", "rent", "monthly", datetime(2026, 12, 31, 12)),
        ("payer chaque mois le 3 décembre", "payer", "monthly", datetime(2026, 12, 3, 23, 59)),
        ("payer chaque mois", "payer", "monthly", None),
        ("weekly report friday 17:00", "weekly report", "", datetime(2026, 11, 27, 17)),
    ],
)
def test_a_rhythm_is_read(line, title, repeat, wall):
    found = read_line(line, at=TUESDAY, language="fr")
    assert (found.title, found.repeat, found.wall) == (title, repeat, wall)
    assert found.unread == ()


@pytest.mark.parametrize(
    ("line", "unread"),
    [
        ("TP 25h", ("25h",)),
        ("demain 14h75 lire", ("14h75",)),
        ("rdv 32/13", ("32/13",)),
        ("hier appeler", ("hier",)),
        ("relire tous les trente-deux jours", ("tous",)),
        ("call every 3 hours", ("every", "hours")),
        ("gym every monday at 8am tuesday", ("tuesday",)),
        ("demain 18h ou 19h", ("ou 19h",)),
        ("call at 5 tomorrow", ("at 5",)),
    ],
)
def test_what_is_not_understood_is_named_and_stays_in_the_title(line, unread):
    found = read_line(line, at=TUESDAY, language="fr")
    assert (found.unread, found.wall) == (unread, None)
    assert all(word in found.title for word in unread)


def test_what_cannot_be_a_tag_is_named_and_the_moment_is_read():
    found = read_line("a #b/c demain", at=TUESDAY, language="fr")
    assert (found.unread, found.wall) == (("#b/c",), datetime(2026, 11, 25, 23, 59))
    assert found.title == "a #b/c"


def test_the_number_of_an_issue_is_no_tag():
    found = read_line("review PR #482 today", at=TUESDAY, language="en")
    assert (found.title, found.tags, found.unread) == ("review PR #482", (), ())


@pytest.mark.parametrize(
    ("line", "at", "wall"),
    [
        ("TP dans 2 heures", datetime(2027, 3, 28, 1, 30), datetime(2027, 3, 28, 4, 30)),
        ("TP dans 2 heures", datetime(2026, 10, 25, 1, 30), datetime(2026, 10, 25, 2, 30)),
        ("TP demain 2h30 du matin", datetime(2027, 3, 27, 12), None),
        ("TP demain 3h30 du matin", datetime(2027, 3, 27, 12), datetime(2027, 3, 28, 3, 30)),
        ("TP dans 2 jours", datetime(2027, 3, 26, 2, 30), None),
    ],
)
def test_hours_are_counted_over_a_change_of_the_clocks_and_a_skipped_one_is_a_question(
    line, at, wall
):
    found = read_line(line, at=at, language="fr", zone=ZoneInfo("Europe/Paris"))
    assert found.wall == wall
    assert bool(found.unread) is (wall is None)


@pytest.mark.parametrize(
    ("line", "at", "wall"),
    [
        ("ranger aujourd'hui", datetime(2026, 11, 24, 23, 59, 30), None),
        ("ranger ce soir", datetime(2026, 11, 24, 21), datetime(2026, 11, 24, 23, 59)),
        ("ranger ce matin", datetime(2026, 11, 24, 13), None),
        ("ranger à minuit", datetime(2026, 11, 24, 23, 59, 30), datetime(2026, 11, 25, 23, 59)),
        ("ranger demain", datetime(2026, 12, 31, 23, 59, 30), datetime(2027, 1, 1, 23, 59)),
        ("ranger dans 1 min", datetime(2026, 11, 24, 10, 0, 20), datetime(2026, 11, 24, 10, 2)),
        ("rapport mardi 18h", datetime(2026, 11, 24, 10), None),
        ("rapport mardi 8h", datetime(2026, 11, 24, 10), datetime(2026, 12, 1, 8)),
        ("yoga chaque mardi 18h", datetime(2026, 11, 24, 10), datetime(2026, 11, 24, 18)),
        ("le 31 payer", datetime(2027, 2, 3), datetime(2027, 3, 31, 23, 59)),
    ],
)
def test_the_day_turns_at_midnight_and_nothing_is_past(line, at, wall):
    assert read_line(line, at=at, language="fr").wall == wall


def test_a_line_made_to_keep_the_server_busy_does_not():
    started = time.process_time()
    read_line("2026-13-45 " * 900, at=TUESDAY, language="fr")
    assert time.process_time() - started < 2


@given(st.text(max_size=60))
def test_no_line_is_too_strange(line):
    read_line(line, at=TUESDAY, language="fr")


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
