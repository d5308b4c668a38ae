"""The moment in a line of French or English. dateparser reads it; this finds which words are the
moment, and reads nothing into the others. Pure.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
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
# As they are often written short; only beside a number, for "dec" and "sept" are words too.
_SHORT_MONTHS = {
    **dict.fromkeys(("janv", "jan"), "january"),
    **dict.fromkeys(("févr", "fév", "fevr", "fev", "feb"), "february"),
    **dict.fromkeys(("avr", "apr"), "april"),
    **dict.fromkeys(("juil", "jul"), "july"),
    **dict.fromkeys(("sept", "sep"), "september"),
    **dict.fromkeys(("déc", "dec"), "december"),
    **{"jun": "june", "aug": "august", "oct": "october", "nov": "november"},
}
_DAYS = "demain après-demain apres-demain aujourd'hui today tomorrow"
# Until when a part of the day lasts.
_PARTS = {
    **dict.fromkeys(("matin", "morning"), (12, 0)),
    **dict.fromkeys(("après-midi", "apres-midi", "afternoon"), (18, 0)),
    **dict.fromkeys(("soir", "evening"), (20, 0)),
}
_THIS = {"ce", "cet", "this"}
_LINKS = {"à", "a", "at", "le", "on", "the", "next", "prochain", "prochaine", *_THIS}
_NOON = {"midi": "12:00", "noon": "12:00", "minuit": "23:59", "midnight": "23:59"}
_TIME = re.compile(r"(\d{1,2})(?:h|:)(\d{2})?\Z")
_CLOCK = re.compile(r"(?:[01]?\d|2[0-3]):[0-5]\d\Z")
_NUMBER = re.compile(r"(\d{1,4}(?:er|st|nd|rd|th)?|\d{4}-\d\d-\d\d)\Z")
_DATE = re.compile(r"(\d{1,2})[/.](\d{1,2})(?:[/.](\d{4}|\d{2}))?\Z")
_AM_PM = re.compile(r"(?:0?[1-9]|1[0-2])(?::[0-5]\d)?(?:am|pm)\Z")
_LOOKS_TIMELY = re.compile(
    r"(?:\d{1,2}(?:h|:)\d{0,2}|\d{1,2}/\d{1,2}(?:/\d{2,4})?|\d{4}-\d\d-\d\d|\d{1,2}(?:am|pm))\Z"
)
_LOST = set(f"{_WEEKDAYS} {_DAYS} tonight hier avant-hier yesterday midi noon minuit".split())
_MONTH_NAMES = set(_MONTHS.split())
_NAMED = set(f"{_WEEKDAYS} {_MONTHS} {_DAYS}".split())
_INSIDE = _NAMED | _LINKS | _PARTS.keys()
_SPANS = {"dans", "in"}
_OPENERS = {"le", "on", "à", "at", "next", "tonight", *_THIS, *_SPANS}
_UNITS = {
    **dict.fromkeys(("min", "mn", "minute", "minutes"), timedelta(minutes=1)),
    **dict.fromkeys(("h", "heure", "heures", "hour", "hours"), timedelta(hours=1)),
    **dict.fromkeys(("jour", "jours", "day", "days"), timedelta(days=1)),
    **dict.fromkeys(("semaine", "semaines", "week", "weeks"), timedelta(weeks=1)),
}
_COUNT = r"(\d{1,4}|une?|an?)"
_UNIT = rf"({'|'.join(sorted(_UNITS, key=len, reverse=True))})"
_SPAN = re.compile(rf"{_COUNT} ?{_UNIT}(?: (?:et|and) {_COUNT} ?{_UNIT}|( et demie?))?\Z")
_HOURS_MINUTES = re.compile(r"(\d{1,3}) ?h ?(\d{1,2})(?: ?(?:min|mn))?\Z")
_HALF_AN_HOUR = re.compile(r"(?:une demi[- ]heure|half an hour)\Z")
_MONTHS_LATER = re.compile(rf"{_COUNT} (?:mois|months?)\Z")
_COUNTS = {"un", "une", "an", "half", "demi", "demie", "heure", "demi-heure", "et", "and"}
_WORDS = {
    *(_INSIDE | _OPENERS | _NOON.keys() | _UNITS.keys() | _COUNTS | {"mois", "month", "months"}),
    *_SHORT_MONTHS,
    *(f"{month}." for month in _SHORT_MONTHS),
}
_LONGEST_MOMENT = 8
# One may take 5 ms; who sends a line made of half dates shall not keep the server busy.
_MOST_TRIALS = 100
_YEARS_TO_A_LEAP_DAY = 8
END_OF_DAY = (23, 59)
NOON = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Which words of a line are its moment, and when that is on the wall clock (naive)."""

    start: int
    end: int
    wall: datetime
    has_day: bool


def find_moment(words: list[str], *, at: datetime, language: str) -> Moment | None:
    """The first moment in `words`, as long as can be; `at` is now on the user's wall clock."""
    windows = (
        (start, end)
        for start in range(len(words))
        if _may_begin(words[start].lower(), words[start + 1].lower() if words[start + 1 :] else "")
        for end in range(min(len(words), start + _LONGEST_MOMENT), start, -1)
        if all(_may_belong(word.lower().strip(",")) for word in words[start:end])
    )
    for start, end in islice(windows, _MOST_TRIALS):
        low = [word.lower().strip(",").replace("’", "'") for word in words[start:end]]
        found = _moment(low, at=at, language=language)
        if found is not None:
            wall, has_day = found
            return Moment(start=start, end=end, wall=wall, has_day=has_day)
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
        or (bool(_NUMBER.match(low)) and ("-" in low or _is_month(after)))
        or (_is_month(low) and bool(_NUMBER.match(after)))
    )


def _may_belong(low: str) -> bool:
    """Cheap: whether the word is of those that moments are made of."""
    return low.replace("’", "'") in _WORDS or any(character.isdigit() for character in low)


def _is_month(word: str) -> bool:
    return word.rstrip(".,") in _MONTH_NAMES | _SHORT_MONTHS.keys()


def _is_time(low: str) -> bool:
    return bool(_TIME.match(low) or _AM_PM.match(low))


def _moment(low: list[str], *, at: datetime, language: str) -> tuple[datetime, bool] | None:
    """The wall clock that the words name, and whether they name a day."""
    if low[0] in _SPANS:
        wall = _later(" ".join(low[1:]), at=at)
        return None if wall is None else (wall, True)
    plain = [plain for word in low for plain in _plain(word, at=at)]
    if not all(_belongs(word) for word in plain) or plain[-1] in _OPENERS:
        return None
    part = next((_PARTS[word] for word in plain if word in _PARTS), None)
    if part and not set(plain) & _NAMED and set(plain) & _THIS:
        plain.append("today")
    has_day = bool(set(plain) & _NAMED) or any("-" in word for word in plain if word[0].isdigit())
    clocks = [word for word in plain if _CLOCK.match(word) or _AM_PM.match(word)]
    if set(plain) & _MONTH_NAMES and not any(_NUMBER.match(word) for word in plain):
        return None  # "may", "mars": words of their own
    if not (has_day or clocks) or len(clocks) > 1:
        return None
    found = _read([word for word in plain if word not in _LINKS | _PARTS.keys()], at, language)
    return None if found is None else _completed(found, part, at=at, days=has_day, clocks=clocks)


def _read(words: list[str], at: datetime, language: str) -> datetime | None:
    settings: Any = {
        "RELATIVE_BASE": at,
        "PREFER_DATES_FROM": "future",
        "DATE_ORDER": "DMY",
        "RETURN_AS_TIMEZONE_AWARE": False,
    }
    for one in sorted(("fr", "en"), key=lambda code: code != language):
        found: datetime | None = dateparser.parse(
            " ".join(words), languages=[one], settings=settings
        )
        if found is not None:
            return found
    return None


def _later(text: str, *, at: datetime) -> datetime | None:
    """How long after `at`: "20 min", "une heure et demie", "1h30", "3 months"."""
    if found := _HOURS_MINUTES.match(text):
        span = timedelta(hours=int(found[1]), minutes=int(found[2]))
    elif _HALF_AN_HOUR.match(text):
        span = timedelta(minutes=30)
    elif found := _MONTHS_LATER.match(text):
        return _months_later(at, _count(found[1]))
    elif found := _SPAN.match(text):
        span = _count(found[1]) * _UNITS[found[2]]
        span += _count(found[3]) * _UNITS[found[4]] if found[4] else timedelta(0)
        span += _UNITS[found[2]] / 2 if found[5] else timedelta(0)
    else:
        return None
    return (at + span).replace(microsecond=0)


def _count(written: str) -> int:
    return int(written) if written.isdecimal() else 1


def _months_later(at: datetime, months: int) -> datetime:
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    day = min(at.day, monthrange(year, month + 1)[1])
    return at.replace(year=year, month=month + 1, day=day, microsecond=0)


def _plain(word: str, *, at: datetime) -> list[str]:
    """As a clock shows it: 18:00 for "18h"; noon is a time too. A date as 2027-03-12."""
    if time := _TIME.match(word):
        return [f"{int(time[1])}:{time[2] or '00'}"]
    if date := _DATE.match(word):
        return [_iso_date(int(date[1]), int(date[2]), date[3], at=at) or word]
    if word == "tonight":
        return ["this", "evening"]
    return [_NOON.get(word) or _SHORT_MONTHS.get(word.rstrip("."), word)]


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


def _completed(
    found: datetime, part: tuple[int, int] | None, *, at: datetime, days: bool, clocks: list[str]
) -> tuple[datetime, bool]:
    """A day without a time lasts until its end, or that of its part; a time that has passed today
    is tomorrow's. Eight o'clock in the evening is twenty o'clock.
    """
    if not clocks:
        until = found.replace(second=0, microsecond=0)
        hour, minute = part or END_OF_DAY
        if until.replace(hour=hour, minute=minute) <= at and until.date() == at.date():
            hour, minute = END_OF_DAY
        return until.replace(hour=hour, minute=minute), days
    found = found.replace(microsecond=0)
    if part and part[0] > NOON and found.hour < NOON:
        found += timedelta(hours=NOON)
    if found <= at and not days:
        found += timedelta(days=1)
    return found, days
