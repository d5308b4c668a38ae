"""Times, dates and what is left of them, as people say them. Pure.

Every datetime is aware and already in the listener's time zone.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Literal

from speech import numbers

Language = Literal["fr", "en"]

NOON = 12
# From here on nobody needs the minutes too.
MANY_HOURS = 12
FRENCH_DAYS = ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"]
FRENCH_MONTHS = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
]
ENGLISH_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
ENGLISH_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def clock(hour: int, minute: int, *, language: Language) -> str:
    """Return "quatorze heures trente", or "two thirty p.m."; noon and midnight have their names."""
    return _french_clock(hour, minute) if language == "fr" else _english_clock(hour, minute)


def calendar_day(day: int, month: int, year: int | None, *, language: Language) -> str:
    """Return "premier décembre", or "the first of December"; with the year when one is given."""
    if language == "fr":
        spoken = f"{french_day(day)} {FRENCH_MONTHS[month - 1]}"
        return spoken if year is None else f"{spoken} {numbers.french(year)}"
    spoken = f"the {numbers.english_ordinal(day)} of {ENGLISH_MONTHS[month - 1]}"
    return spoken if year is None else f"{spoken}, {numbers.english_year(year)}"


def french_day(day: int) -> str:
    return "premier" if day == 1 else numbers.french(day)


def weekday(day: date, *, this_year: int, language: Language) -> str:
    """Return "mardi vingt-quatre novembre", or "Tuesday the twenty-fourth of November"."""
    year = None if day.year == this_year else day.year
    names = FRENCH_DAYS if language == "fr" else ENGLISH_DAYS
    return f"{names[day.weekday()]} {calendar_day(day.day, day.month, year, language=language)}"


def moment(when: datetime, *, at: datetime, language: Language) -> str:
    """Return "demain à dix-huit heures": the day as seen from `at`, then the time."""
    days = (when.date() - at.date()).days
    if days == 0:
        day = "aujourd'hui" if language == "fr" else "today"
    elif days == 1:
        day = "demain" if language == "fr" else "tomorrow"
    else:
        day = weekday(when.date(), this_year=at.year, language=language)
        day = day if language == "fr" else f"on {day}"
    return f"{day} {time_of_day(when, language=language)}"


def time_of_day(when: datetime, *, language: Language) -> str:
    """Return "à midi", "at two thirty p.m."; in an hour that comes twice, also which one."""
    spoken = clock(when.hour, when.minute, language=language)
    season = _season(when, language)
    return f"{'à' if language == 'fr' else 'at'} {spoken}{season}"


def remaining(left: timedelta, *, language: Language) -> str:
    """Return "dans vingt minutes", "in three hours": rounded down, no finer than useful."""
    if left < timedelta(minutes=1):
        return "dans moins d'une minute" if language == "fr" else "in less than a minute"
    hours, minutes = divmod(int(left.total_seconds()) // 60, 60)
    if left >= timedelta(days=1):
        parts = [_count(left.days, "jour", "day", language)]
    elif hours >= MANY_HOURS or not minutes:
        parts = [_count(hours, "heure", "hour", language)]
    elif hours:
        parts = [
            _count(hours, "heure", "hour", language),
            _count(minutes, "minute", "minute", language),
        ]
    else:
        parts = [_count(minutes, "minute", "minute", language)]
    return f"dans {' et '.join(parts)}" if language == "fr" else f"in {' and '.join(parts)}"


def _count(count: int, french: str, english: str, language: Language) -> str:
    plural = "s" if count > 1 else ""
    if language == "fr":
        number = numbers.french(min(count, numbers.LARGEST), feminine=french != "jour")
        return f"{number} {french}{plural}"
    return f"{numbers.english(min(count, numbers.LARGEST))} {english}{plural}"


def _french_clock(hour: int, minute: int) -> str:
    if minute == 0 and hour in {0, NOON}:
        return "midi" if hour else "minuit"
    hours = "heure" if hour in {0, 1} else "heures"
    spoken = f"{numbers.french(hour, feminine=True)} {hours}"
    return f"{spoken} {numbers.french(minute)}" if minute else spoken


def _english_clock(hour: int, minute: int) -> str:
    if minute == 0 and hour in {0, NOON}:
        return "noon" if hour else "midnight"
    spoken = numbers.english((hour - 1) % NOON + 1)
    half = "a.m." if hour < NOON else "p.m."
    return f"{spoken} {numbers.english_minutes(minute)} {half}" if minute else f"{spoken} {half}"


def _season(when: datetime, language: Language) -> str:
    """Name the season only where the same clock time comes twice, in the night summer time ends."""
    if when.utcoffset() == when.replace(fold=1 - when.fold).utcoffset():
        return ""
    if when.fold:
        return ", heure d'hiver" if language == "fr" else ", winter time"
    return ", heure d'été" if language == "fr" else ", summer time"
