"""The moment in a line of French or English. dateparser reads it; this finds which words are the
moment, and reads nothing into the others. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import dateparser

# What may begin a moment, and what may stand inside one; everything else is the title's.
_WEEKDAYS = (
    "lundi mardi mercredi jeudi vendredi samedi dimanche "
    "monday tuesday wednesday thursday friday saturday sunday"
)
_MONTHS = (
    "janvier février fevrier mars avril mai juin juillet août aout septembre octobre novembre "
    "décembre decembre january february march april may june july august september october "
    "november december"
)
_DAYS = "demain après-demain apres-demain aujourd'hui aujourd’hui today tomorrow tonight"
_UNITS = (
    "min mn minute minutes heure heures hour hours jour jours day days semaine semaines week weeks "
    "mois month months"
)
_LINKS = "à a at le on the dans in next prochain prochaine ce cette this une un an soir"
_NOON = {"midi": "12:00", "noon": "12:00", "minuit": "23:59", "midnight": "23:59"}
_TIME = re.compile(r"(\d{1,2})(?:h|:)(\d{2})?\Z")
_CLOCK = re.compile(r"(?:[01]?\d|2[0-3]):[0-5]\d\Z")
_NUMBER = re.compile(r"(\d{1,4}(?:er|st|nd|rd|th)?|\d{4}-\d\d-\d\d)\Z")
_DATE = re.compile(r"(\d{1,2})[/.](\d{1,2})(?:[/.](\d{4}|\d{2}))?\Z")
_AM_PM = re.compile(r"(?:0?[1-9]|1[0-2])(?::[0-5]\d)?(?:am|pm)\Z")
_LOOKS_TIMELY = re.compile(
    r"(?:\d{1,2}(?:h|:)\d{0,2}|\d{1,2}/\d{1,2}(?:/\d{2,4})?|\d{4}-\d\d-\d\d|\d{1,2}(?:am|pm))\Z"
)
_LOST = set(f"{_WEEKDAYS} {_DAYS} hier avant-hier yesterday midi noon minuit midnight".split())
_MONTH_NAMES = set(_MONTHS.split())
_NAMED = set(f"{_WEEKDAYS} {_MONTHS} {_DAYS}".split())
_INSIDE = _NAMED | set(f"{_UNITS} {_LINKS}".split())
_OPENERS = {"dans", "in", "le", "on", "à", "at", "next", "ce", "this"}
_LONGEST_MOMENT = 8
# A line has at most 300 characters; who sends more by hand shall not keep the server busy.
_MOST_WORDS = 50
_YEARS_TO_A_LEAP_DAY = 8
END_OF_DAY = (23, 59)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Which words of a line are its moment, and when that is on the wall clock (naive)."""

    start: int
    end: int
    wall: datetime
    has_clock: bool
    has_day: bool


def find_moment(words: list[str], *, at: datetime, language: str) -> Moment | None:
    """The first moment in `words`, as long as can be; `at` is now on the user's wall clock."""
    for start, word in enumerate(words[:_MOST_WORDS]):
        after = words[start + 1].lower() if start + 1 < len(words) else ""
        if not _may_begin(word.lower(), after):
            continue
        for end in range(min(len(words), start + _LONGEST_MOMENT), start, -1):
            found = _moment(words[start:end], at=at, language=language)
            if found is not None:
                wall, has_clock, has_day = found
                return Moment(start=start, end=end, wall=wall, has_clock=has_clock, has_day=has_day)
    return None


def looks_like_a_moment(word: str) -> bool:
    """Such as "25h" or "32/13": who wrote it meant a time or a day."""
    low = word.lower().strip(",;.!?")
    return low in _LOST or bool(_LOOKS_TIMELY.match(low))


def _may_begin(low: str, after: str) -> bool:
    return (
        low in _NAMED
        or low in _OPENERS
        or low in _NOON
        or _is_time(low)
        or "/" in low
        or (bool(_NUMBER.match(low)) and ("-" in low or after in _MONTH_NAMES))
    )


def _is_time(low: str) -> bool:
    return bool(_TIME.match(low) or _AM_PM.match(low))


def _moment(words: list[str], *, at: datetime, language: str) -> tuple[datetime, bool, bool] | None:
    """The wall clock that `words` name, whether they name a time, and whether they name a day."""
    plain = [_plain(word.lower().strip(","), at=at) for word in words]
    if not all(_belongs(word) for word in plain) or plain[-1] in _OPENERS:
        return None
    if all(word in _OPENERS or (_NUMBER.match(word) and "-" not in word) for word in plain):
        return None  # "dans 3", "le 12": not enough to be a moment
    if set(plain) & _MONTH_NAMES and not any(_NUMBER.match(word) for word in plain):
        return None  # "may", "mars": words of their own
    text = " ".join(_spoken(plain))
    settings: Any = {
        "RELATIVE_BASE": at,
        "PREFER_DATES_FROM": "future",
        "DATE_ORDER": "DMY",
        "RETURN_AS_TIMEZONE_AWARE": False,
    }
    for one in sorted(("fr", "en"), key=lambda code: code != language):
        found = dateparser.parse(text, languages=[one], settings=settings)
        if found is not None:
            return _completed(found, plain, at=at)
    return None


def _plain(word: str, *, at: datetime) -> str:
    """As a clock shows it: 18:00 for "18h"; noon is a time too. A date as 2027-03-12."""
    time = _TIME.match(word)
    if time:
        return f"{int(time[1])}:{time[2] or '00'}"
    date = _DATE.match(word)
    if date:
        return _iso_date(int(date[1]), int(date[2]), date[3], at=at) or word
    return _NOON.get(word, word)


def _iso_date(day: int, month: int, year: str | None, *, at: datetime) -> str | None:
    """Day before month; without a year the next one that has this day and is not past."""
    if year is not None:
        years = [int(year) if len(year) == len("2026") else 2000 + int(year)]
    else:
        years = [at.year + later for later in range(_YEARS_TO_A_LEAP_DAY + 1)]
    for one in years:
        try:
            found = datetime(one, month, day)
        except ValueError:
            continue
        if year is not None or found.date() >= at.date():
            return f"{found:%Y-%m-%d}"
    return None


def _belongs(word: str) -> bool:
    return word in _INSIDE or bool(_CLOCK.match(word) or _NUMBER.match(word) or _AM_PM.match(word))


def _spoken(plain: list[str]) -> list[str]:
    """As dateparser knows it: without "at" and "next", and with tonight as a time of today."""
    text = " ".join(word for word in plain if word not in {"à", "at", "le", "on", "the"})
    text = re.sub(r"\b(?:prochaine?|next)\b", "", text)
    text = re.sub(r"\bce soir\b|\btonight\b", "today 20:00", text)
    text = text.replace("’", "'")
    return text.split()


def _completed(found: datetime, plain: list[str], *, at: datetime) -> tuple[datetime, bool, bool]:
    """A day without a time lasts until its end; a time that has passed today is tomorrow's."""
    is_span = bool(set(plain) & {"dans", "in"})
    has_clock = is_span or bool(set(plain) & {"soir", "tonight"})
    has_clock = has_clock or any(_CLOCK.match(word) or _AM_PM.match(word) for word in plain)
    has_day = is_span or bool(set(plain) & _NAMED) or any("-" in word for word in plain)
    if not has_clock:
        hour, minute = END_OF_DAY
        return found.replace(hour=hour, minute=minute, second=0, microsecond=0), False, has_day
    if found <= at and not has_day and not set(plain) & {"soir"}:
        return found + timedelta(days=1), True, has_day
    return found.replace(microsecond=0), True, has_day
