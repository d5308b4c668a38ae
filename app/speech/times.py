"""Times, dates and what is left of them, as people say them. Pure.

Every datetime is aware and already in the listener's time zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from django.utils import translation
from django.utils.dates import MONTHS, WEEKDAYS

from speech import numbers
from speech.numbers import Language, counted

NOON = 12
# From here on nobody needs the minutes too.
MANY_HOURS = 12


def clock(hour: int, minute: int, *, language: Language) -> str:
    """Return "quatorze heures trente", or "two thirty p.m."; noon and midnight have their names."""
    if minute == 0 and hour in {0, NOON}:
        french, english = ("midi", "noon") if hour else ("minuit", "midnight")
        return french if language == "fr" else english
    if language == "fr":
        spoken = counted(hour, "heure", "hour", "fr")
        return f"{spoken} {numbers.french(minute)}" if minute else spoken
    spoken = numbers.english((hour - 1) % NOON + 1)
    half = "a.m." if hour < NOON else "p.m."
    return f"{spoken} {numbers.english_minutes(minute)} {half}" if minute else f"{spoken} {half}"


def calendar_day(day: int, month: int, year: int | None, *, language: Language) -> str:
    """Return "premier décembre", or "the first of December"; with the year when one is given."""
    name = _named(MONTHS, month, language)
    if language == "fr":
        spoken = f"{french_day(day)} {name}"
        return spoken if year is None else f"{spoken} {numbers.french(year)}"
    spoken = f"the {numbers.english_ordinal(day)} of {name}"
    return spoken if year is None else f"{spoken}, {numbers.english_year(year)}"


def french_day(day: int) -> str:
    return "premier" if day == 1 else numbers.french(day)


def weekday(day: date, *, this_year: int, language: Language) -> str:
    """Return "mardi vingt-quatre novembre", or "Tuesday the twenty-fourth of November"."""
    year = None if day.year == this_year else day.year
    name = _named(WEEKDAYS, day.weekday(), language)
    return f"{name} {calendar_day(day.day, day.month, year, language=language)}"


def month_name(number: int, *, language: Language) -> str:
    return _named(MONTHS, number, language)


def weekday_name(number: int, *, language: Language) -> str:
    """Return the name of a day of the week; 0 is Monday."""
    return _named(WEEKDAYS, number, language)


def _named(names: Mapping[int, object], number: int, language: Language) -> str:
    """Django's own names of days and months."""
    with translation.override(language):
        return str(names[number])


def day_and_time(when: datetime, *, at: datetime, language: Language) -> str:
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
    season = ""
    if when.utcoffset() != when.replace(fold=1 - when.fold).utcoffset():
        french, english = ("hiver", "winter") if when.fold else ("été", "summer")
        season = f", heure d'{french}" if language == "fr" else f", {english} time"
    return f"{'à' if language == 'fr' else 'at'} {spoken}{season}"


def remaining(left: timedelta, *, language: Language) -> str:
    """Return "dans vingt minutes", "in three hours": rounded down, no finer than useful."""
    if left < timedelta(minutes=1):
        return "dans moins d'une minute" if language == "fr" else "in less than a minute"
    hours, minutes = divmod(int(left.total_seconds()) // 60, 60)
    if left >= timedelta(days=1):
        parts = [counted(left.days, "jour", "day", language)]
    else:
        parts = [counted(hours, "heure", "hour", language)] if hours else []
        if minutes and hours < MANY_HOURS:
            parts.append(counted(minutes, "minute", "minute", language))
    return f"dans {' et '.join(parts)}" if language == "fr" else f"in {' and '.join(parts)}"
