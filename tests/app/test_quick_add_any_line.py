"""What holds of any line of quick add, and of those of docs/quick-add.md in any language of the
interface. Of single lines and words test_quick_add_lines.py is the judge.
"""

from __future__ import annotations

import re
from calendar import isleap
from datetime import date, datetime, time, timedelta
from time import process_time
from zoneinfo import ZoneInfo

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agenda.quick_add.line import read_line
from tests.app.test_quick_add_lines import LINES, TUESDAY

TITLES = st.sampled_from(["rendre le TP 3", "PR #482", "call the bank", "acheter 3 pommes", "TP"])
FRAGMENTS = (
    "2030 1830 07 5 12 31 17.30 5-6 24/7 12/05 29/02 sat jeu mar may 3e 2nd S48 et and next "
    "prochain last every chaque tous les avant before après half et demie noon "
    "sam Sam Tom eve dem 2m1 av. huitaine quinzaine noël inclus MS UTC+9 PT twice 0930 11:59 am pm "
    "premier dernier jour mois semaine pro mat autour de chapitres p. 4 à by or all day toute la "
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


@settings(max_examples=250)
@given(words=st.lists(WORDS, max_size=9), at=NOWS, language=LANGUAGES)
def test_no_line_at_all_gives_a_past_moment_or_a_year_that_nobody_wrote(words, at, language):
    text = " ".join(words)
    assume(not re.search(r"\d{2,} (mois|months?|semaines?|weeks?|jours?|days?)", text))
    found = read_line(text, at=at, language=language, zone=ZoneInfo("Europe/Paris"))
    for wall in (found.wall, *found.options):
        assert wall is None or wall > at
        assert wall is None or wall.year in years_that_may_be_meant(text, at)
    assert found.wall is None or found.unread == found.options == ()


@settings(max_examples=100)
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


@settings(max_examples=500)
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


@settings(max_examples=150)
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


COUNTS = [
    *("un une one", "deux two", "trois three", "quatre four", "cinq five", "six six"),
    *("sept seven", "huit eight", "neuf nine"),
]


@settings(max_examples=60)
@given(data=st.data(), hours=st.integers(1, 9), minutes=st.integers(1, 59), language=LANGUAGES)
def test_hours_and_minutes_from_now_are_exactly_right(data, hours, minutes, language):
    french, *_, english = COUNTS[hours - 1].split()
    forms = [
        f"dans {hours}h{minutes:02}",
        f"ds {hours} h {minutes:02}",
        f"dans {hours} heures et {minutes} minutes",
        f"in {hours} hours and {minutes} minutes",
        f"in {english} hours {minutes} min",
        f"dans {french} heures {minutes}",
    ]
    forms += ["in an hour and ten minutes", "in an hour ten min", "dans une heure dix"]
    said = data.draw(st.sampled_from(forms))
    span = timedelta(hours=hours, minutes=minutes)
    span = timedelta(minutes=70) if re.search("ten|dix", said) else span
    assert read_line(f"TP 3 {said}", at=TUESDAY, language=language).wall == TUESDAY + span


def test_a_line_made_to_keep_the_server_busy_does_not():
    started = process_time()
    read_line("2026-13-45 " * 900, at=TUESDAY, language="fr")
    assert process_time() - started < 2


def test_an_interface_in_the_other_language_reads_alike_but_digits():
    """5/12 is its reader's: it is read in French only."""
    for text, _, _, _ in (line.values for line in LINES):
        french, english = (read_line(text, at=TUESDAY, language=each) for each in ("fr", "en"))
        assert "/" in text or french == english


def test_a_line_costs_at_most_five_milliseconds():
    started = process_time()
    for _ in range(5):
        for text, _, _, language in (line.values for line in LINES):
            read_line(text, at=TUESDAY, language=language)
    assert (process_time() - started) / (5 * len(LINES)) < 0.005
