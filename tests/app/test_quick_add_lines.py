"""What people write in a line, with the deadline it must get: none is wrong in silence.

Each is read at ten o'clock of Tuesday 24 November 2026; "?" is a question, and no deadline.
"""

from __future__ import annotations

import re
from calendar import isleap
from datetime import date, datetime, time, timedelta
from time import process_time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agenda.quick_add.line import read_line

TUESDAY = datetime(2026, 11, 24, 10, 0)
FRENCH = """
2026-11-25 18:30 | rendre le TP demain 18 h 30
2026-11-25 18:30 | rendre le TP demain 18h30
2026-11-25 18:30 | rendre le TP demain à 18 heures 30
2026-11-25 18:00 | demain, 18 h : appeler Paul
2026-11-25 08:30 | réveil demain à 8 heures et demie
2026-11-25 08:30 | réveil demain à huit heures et demie
2026-11-25 09:15 | rdv demain à 9h et quart
2026-11-25 08:45 | rdv demain 9 heures moins le quart
2026-11-25 12:30 | déjeuner demain midi et demi
2026-11-25 12:00 | déjeuner demain midi
2026-11-24 12:00 | manger à midi
2026-11-24 21:00 | film 9h du soir
2026-11-25 08:00 | train demain 8h du matin
2026-11-24 15:00 | rdv à 3h de l'après-midi
2027-01-05 18:00 | le 5 janvier à 18 h payer la note
2027-01-05 18:00 | payer la note le 5 janvier 18h
2027-01-05 23:59 | payer la note le 5 janvier
2027-02-05 23:59 | voeux le 5 fevrier
2027-08-15 09:00 | fête 15 aout 9h
2026-12-01 23:59 | loyer le 1er décembre
2026-12-01 23:59 | loyer mardi 1er décembre
2026-11-26 23:59 | apres demain ranger
2026-11-26 18:00 | ranger après-demain à 18h
2026-11-26 10:00 | ranger après demain à 10h
2026-11-27 10:00 | ven. 10h dentiste
2026-11-27 10:00 | dentiste ven 10h
2026-11-27 10:00 | dentiste vendredi à 10 h
2026-11-30 18:00 | rapport lundi 30 novembre à 18:00
2026-11-30 23:59 | rapport lundi 30
2026-11-30 23:59 | rapport lundi prochain
2026-11-27 23:59 | rapport pour vendredi
2026-11-27 17:00 | rapport avant vendredi 17h
2026-11-24 18:00 | rapport jusqu'à 18h
2026-12-20 23:59 | courses le 20 décembre
2026-12-20 23:59 | courses le 20
2026-12-20 18:00 | courses le 20 à 18h
2026-11-24 12:00 | TP ds 2h
2026-11-24 12:00 | TP dans deux heures
2026-11-24 10:15 | pain dans un quart d'heure
2026-11-24 10:30 | pain dans une demi-heure
2026-11-24 11:30 | pain dans une heure et demie
2026-11-24 11:30 | pain dans 1 h 30
2026-11-26 18:00 | TP dans 2 jours à 18h
2026-12-08 10:00 | revenir dans 2 semaines
2026-11-24 20:00 | ce soir dîner chez Paul
2026-11-24 18:00 | courses cet aprem
2026-11-24 18:00 | courses cet après-midi
2026-11-24 18:00 | à 18 h acheter 3 pommes
2026-11-24 18:00 | a 18h PR #482
2026-11-25 23:59 | lire le chapitre 12 demain
2026-11-25 23:59 | appeler le 06 12 34 56 78 demain
2026-11-25 18:00 | demain appeler Paul à 18h
2026-11-25 09:00 | réunion demain à 9
2026-11-30 20:00 | poubelles tous les lundis 20h
2026-11-25 08:00 | bus en semaine à 8h
2026-11-24 23:59 | courses aujourd'hui
2026-11-24 23:59 | ranger ce soir à minuit
2026-12-24 23:59 | cadeaux le 24/12
2026-12-24 18:00 | cadeaux 24/12/2026 à 18h
? | rapport vendredi 5
? | rapport lundi 1er décembre
? | rapport jeudi 25 décembre
? | acheter 3 pommes
? | lire le chapitre 12
? | PR #482
? | appeler le 06 12 34 56 78
? | aujourd'hui 8h appeler
? | ce matin 8h courir
? | hier appeler
? | réunion 8h-10h demain
? | réunion demain de 8h à 10h
? | réunion demain entre 8h et 10h
? | appeler après 18h demain
? | demain à 3h
? | réviser 2h demain
? | demain 18h ou 19h
? | demain 25h
? | demain 14h75
? | ce week-end ranger
? | rapport fin du mois
? | rapport la semaine prochaine lundi
? | yoga un lundi sur deux à 18h
? | arroser tous les deux jours à 8h
? | courir tous les matins à 8h
? | rapport lundi et mardi à 8h
? | rapport avant le 20
? | 5 janvier 2020 à 18h
? | demain à 20h du matin
? | lundi en huit à 18h
? | 31/02 à 18h
? | mardi dentiste
? | préparer la réunion de vendredi à 18h
? | rendez-vous demian à 18h
? | partir d'ici 18h
? | partir pas avant 18h
? | 3 et 5 décembre salon
? | salon 20 novembre à 18h
? | salon le 31-12 à 20h
? | chaque premier du mois 8h
? | tous les jours ouvrables 8h
? | 2 fois par jour 8h
? | sam/dim 8h
? | sam réunion 10h
? | rdv lundi de la semaine prochaine à 9h
2026-11-25 10:00 | appeler Sam demain à 10h
2026-11-25 10:00 | appeler mon frère demain à 10h
"""
ENGLISH = """
2026-11-25 08:00 | call mom tomorrow 8 am
2026-11-25 08:00 | call mom tomorrow at 8am
2026-11-25 08:30 | call mom tomorrow 8:30 a.m.
2026-11-24 14:00 | call mom 2 p.m.
2026-11-25 14:00 | call mom 2 p.m. tomorrow
2026-11-29 23:59 | report Sunday 11:59 pm
2026-11-29 23:59 | report on Sunday
2026-11-27 17:00 | report friday at 5 pm
2026-11-27 17:00 | report by friday 5pm
2026-11-27 15:00 | fri 3pm dentist
2026-11-27 15:00 | dentist next friday at 3pm
2026-11-26 23:59 | the day after tomorrow clean
2026-11-26 18:00 | clean the day after tomorrow at 6 pm
2026-11-25 09:00 | meet Ann tomorrow at 9
2026-11-25 09:00 | meet Ann tomorrow at nine
2026-11-25 07:45 | train tomorrow 7.45am
2026-11-25 19:45 | train tomorrow 7:45pm
2026-11-25 09:30 | train tomorrow half past nine
2026-11-25 14:30 | train tomorrow at half past two pm
2026-11-25 08:45 | train tomorrow at a quarter to nine am
2026-11-25 08:00 | train tomorrow at 8 o'clock
2026-11-24 11:30 | tea in an hour and a half
2026-11-24 12:00 | tea in two hours
2026-11-24 10:30 | tea in half an hour
2026-11-24 10:15 | tea in a quarter of an hour
2026-11-24 10:20 | tea in 20 min
2026-11-24 12:30 | tea in 2 hours and 30 minutes
2026-12-08 10:00 | check in a fortnight
2026-12-08 10:00 | check in 2 weeks
2026-11-26 09:00 | check in 2 days at 9am
2026-11-25 08:00 | standup every weekday at 8
2026-11-25 09:30 | standup every weekday 9:30
2026-11-30 20:00 | bins every monday 8pm
2026-12-31 12:00 | rent every 31st at noon
2026-11-25 06:00 | run at 6 in the morning
2026-11-25 06:00 | run 6 in the morning
2026-11-25 12:00 | run tomorrow morning
2026-11-25 18:00 | call Ann tomorrow afternoon
2026-11-24 20:00 | dinner tonight
2026-11-24 21:00 | dinner tonight at 9
2026-11-24 21:00 | film 9 in the evening
2026-12-01 23:59 | rent on the 1st
2026-12-05 23:59 | rent on December 5th
2026-12-05 18:00 | rent on the 5th of December at 6pm
2027-01-05 18:00 | rent Jan 5 6 pm
2027-01-05 18:00 | rent 5 January 2027 at 18:00
2026-12-04 23:59 | rent friday december 4
2026-11-30 17:00 | rent monday the 30th at 5pm
2026-12-03 20:00 | party Dec 3 8pm
2026-12-01 18:00 | pay rent 2026-12-01 18:00
2026-11-24 17:00 | PR #482 today 5pm
2026-11-24 17:00 | buy 3 apples at 5pm
2026-11-25 23:59 | read chapter 12 tomorrow
2026-11-25 18:00 | Hand in lab 3 tomorrow 18:00
2026-11-25 18:00 | tomorrow call Ann at 6pm
2026-11-24 23:59 | finish today
2026-11-24 12:00 | lunch at noon
2026-11-24 23:59 | submit by midnight
2026-11-25 23:59 | may call the bank tomorrow
2026-11-27 17:00 | weekly report friday 17:00
2026-11-25 23:59 | meet in an office tomorrow
? | call at 5 tomorrow
? | call 06 12 34 56 78
? | buy 3 apples
? | PR #482
? | chapter 12
? | report friday 5
? | report friday december 5
? | meeting tomorrow 5-6pm
? | meeting tomorrow from 5pm to 6pm
? | meeting tomorrow between 5 and 6pm
? | meeting tomorrow 9
? | call after 5pm tomorrow
? | today at 8am
? | yesterday call
? | last friday call
? | call half past two tomorrow
? | EOD report
? | report next week
? | report end of month
? | report this weekend
? | gym every other monday at 8am
? | gym every 2 days at 8am
? | gym every morning at 8
? | gym monday and tuesday 8am
? | nap 30 min tomorrow
? | call tomorrow 12am
? | tomorrow 13pm
? | call tommorow 8am
? | Prepare Friday presentation at 5pm
? | Friday's report at 5pm
? | dinner at 8
? | January 5 2020 at 5pm
? | february 30 at 5pm
? | paint the house in may at 10am
? | tuesday dentist
? | tomorrow 8pm in the morning
? | call 2 days before friday
? | leave tomorrow not at 8am
? | leave tomorrow 8 am, not 9
? | leave tomorrow from 8
? | leave january 2 to 4
? | leave tomorrow at 8-ish
? | leave tomorrow 8pm ET
? | leave tomorrow first thing
? | leave before lunch tomorrow
? | report the friday after next
? | report 20th 3pm
? | pills daily at 8am
? | pills twice a day 8am
? | wensday 5pm call
"""


def _lines(table: str, language: str) -> list[object]:
    rows = [line.partition(" | ") for line in table.strip().splitlines()]
    return [
        pytest.param(text, end, language, id=f"{language}-{text}".replace(" ", "-"))
        for end, _, text in rows
    ]


LINES = [*_lines(FRENCH, "fr"), *_lines(ENGLISH, "en")]


@pytest.mark.parametrize("interface", ["fr", "en"])
@pytest.mark.parametrize(("text", "end", "language"), LINES)
def test_a_line_has_the_deadline_it_says_or_is_a_question(text, end, language, interface):
    wall = read_line(text, at=TUESDAY, language=interface).wall
    assert (f"{wall:%Y-%m-%d %H:%M}" if wall else "?") == end


TITLES = st.sampled_from(["rendre le TP 3", "PR #482", "call the bank", "acheter 3 pommes", "TP"])
FRAGMENTS = (
    "2030 1830 07 5 12 31 17.30 5-6 24/7 12/05 29/02 sat jeu mar may 3e 2nd S48 et and next "
    "prochain last every chaque tous les avant before après half et demie noon "
)
TEXTS = " ".join(str(line.values[0]) for line in LINES)
WORDS = st.sampled_from(f"{TEXTS} {FRAGMENTS}".split())
NOWS = st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2029, 1, 1))
LANGUAGES = st.sampled_from(["fr", "en"])


def years_that_may_be_meant(text: str, at: datetime) -> set[int]:
    """This one, the next, what is written, what hours or months from now reach, a leap day's."""
    written = {int(found) for found in re.findall(r"\d{4}", text)}
    short = {2000 + int(found) for found in re.findall(r"/(\d\d)(?!\d)", text)}
    leap = {year for year in range(at.year, at.year + 9) if isleap(year) and "29" in text}
    return {at.year, at.year + 1} | written | short | leap


@settings(max_examples=250, deadline=None)
@given(words=st.lists(WORDS, max_size=9), at=NOWS, language=LANGUAGES)
def test_no_line_at_all_gives_a_past_moment_or_a_year_that_nobody_wrote(words, at, language):
    text = " ".join(words)
    assume(not re.search(r"\d{2,} (mois|months?|semaines?|weeks?|jours?|days?)", text))
    found = read_line(text, at=at, language=language, zone=ZoneInfo("Europe/Paris"))
    if found.wall is not None:
        assert found.wall > at
        assert found.wall.year in years_that_may_be_meant(text, at)
        assert found.unread == ()


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=60), at=NOWS, language=LANGUAGES)
def test_no_text_is_too_strange_or_gives_a_past_moment(text, at, language):
    wall = read_line(text, at=at, language=language).wall
    assert wall is None or wall > at


DAYS_FR_TEXT = "lundi mardi mercredi jeudi vendredi samedi dimanche"
DAYS_FR = DAYS_FR_TEXT.split()
DAYS_EN_TEXT = "monday tuesday wednesday thursday friday saturday sunday"
DAYS_EN = DAYS_EN_TEXT.split()
MONTHS_FR_TEXT = (
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre"
)
MONTHS_FR = MONTHS_FR_TEXT.split()
MONTHS_EN_TEXT = (
    "January February March April May June July August September October November December"
)
MONTHS_EN = MONTHS_EN_TEXT.split()


def day_forms(day: date, today: date) -> list[str]:
    """How people write this day on that one, each of them right."""
    ahead, number = (day - today).days, day.weekday()
    forms = [
        f"le {day.day} {MONTHS_FR[day.month - 1]} {day.year}",
        f"{MONTHS_EN[day.month - 1]} {day.day}, {day.year}",
        f"{day:%Y-%m-%d}",
        f"{day:%d/%m/%Y}",
    ]
    forms += {
        0: ["aujourd'hui", "today"],
        1: ["demain", "tomorrow"],
        2: ["après-demain", "apres demain", "the day after tomorrow"],
    }.get(ahead, [])
    if ahead >= 2:
        forms += [f"dans {ahead} jours", f"in {ahead} days"]
    if ahead <= 300:
        forms += [
            f"le {day.day} {MONTHS_FR[day.month - 1]}",
            f"{DAYS_FR[number]} {day.day} {MONTHS_FR[day.month - 1]}",
            f"{DAYS_EN[number]} {MONTHS_EN[day.month - 1]} {day.day}",
            f"on the {day.day}th of {MONTHS_EN[day.month - 1]}",
            f"le {day:%d/%m}",
        ]
    if 1 <= ahead <= 6:
        forms += [DAYS_FR[number], f"{DAYS_FR[number]} prochain", f"on {DAYS_EN[number]}"]
        forms += [f"next {DAYS_EN[number]}", DAYS_FR[number][:3] + ".", DAYS_EN[number].upper()]
    return forms


def clock_forms(hour: int, minute: int) -> list[str]:
    half, twelve = ("pm" if hour >= 12 else "am"), (hour % 12 or 12)
    full = f"{minute:02}" if minute else ""
    forms = [
        f"{hour}h{full}",
        f"à {hour} h {full}".strip(),
        f"a {hour}h{full}",
        f"à {hour} heures {full}".strip(),
        f"{hour:02}:{minute:02}",
        f"at {twelve}:{minute:02} {half}",
        f"at {twelve}:{minute:02}{half}",
    ]
    if not minute:
        forms += [f"{twelve}{half}", f"{twelve} {half[0]}.m.", f"at {hour}", f"à {hour}"]
    if minute == 30:
        forms += [f"{hour}h et demie", f"à {hour} heures et demie", f"half past {twelve} {half}"]
    if 1 <= hour <= 11:
        forms += [f"{hour}h{full} du matin", f"{twelve}:{minute:02} in the morning"]
    if 18 <= hour <= 22:
        forms += [f"{twelve}h{full} du soir", f"{twelve}:{minute:02} in the evening"]
    return forms


@settings(max_examples=500, deadline=None)
@given(data=st.data(), at=NOWS, title=TITLES, language=LANGUAGES)
def test_each_day_with_each_time_is_exactly_right_or_a_question(data, at, title, language):
    ahead = data.draw(st.one_of(st.integers(0, 9), st.integers(0, 700)))
    hour, minute = data.draw(st.integers(0, 23)), data.draw(st.sampled_from([0, 15, 30, 45]))
    day = at.date() + timedelta(days=ahead)
    said = data.draw(st.sampled_from(day_forms(day, at.date())))
    clock = data.draw(st.sampled_from(clock_forms(hour, minute)))
    parts = data.draw(st.permutations([title, said, clock]))
    found = read_line(" ".join(parts), at=at, language=language)
    assert found.wall in {None, datetime.combine(day, time(hour, minute))}


@settings(max_examples=150, deadline=None)
@given(data=st.data(), at=NOWS, language=LANGUAGES)
def test_common_forms_of_a_day_and_a_time_are_read(data, at, language):
    ahead, hour = data.draw(st.integers(1, 6)), data.draw(st.integers(8, 22))
    day = at.date() + timedelta(days=ahead)
    forms = ["{fr} à {h}h", "{fr} {h} h 30", "{en} at {h}:30", "le {d} {m} à {h}h", "{fr} {h}h"]
    form = data.draw(st.sampled_from(forms))
    number, month = day.weekday(), MONTHS_FR[day.month - 1]
    said = form.format(fr=DAYS_FR[number], en=DAYS_EN[number], h=hour, d=day.day, m=month)
    found = read_line(f"rendre le TP 3 {said}", at=at, language=language)
    minute = 30 if "30" in form else 0
    assert found.wall == datetime.combine(day, time(hour, minute))
    assert found.title == "rendre le TP 3"


def test_a_line_costs_at_most_five_milliseconds():
    started = process_time()
    for _ in range(5):
        for text, _, language in (line.values for line in LINES):
            read_line(text, at=TUESDAY, language=language)
    assert (process_time() - started) / (5 * len(LINES)) < 0.005
