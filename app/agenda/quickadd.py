"""One line, in French or English, becomes a title and a deadline. dateparser reads the moment; this
finds which words are the moment, and reads nothing into the others. Pure.
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
_CLOCK = re.compile(r"\d{1,2}:\d{2}\Z")
_NUMBER = re.compile(
    r"(\d{1,4}(?:er|st|nd|rd|th)?|\d{1,2}[/.]\d{1,2}(?:[/.]\d{2,4})?|\d{4}-\d\d-\d\d)\Z"
)
_AM_PM = re.compile(r"\d{1,2}(?::\d{2})?(?:am|pm)\Z")
_NAMED = set(f"{_WEEKDAYS} {_MONTHS} {_DAYS}".split())
_INSIDE = _NAMED | set(f"{_UNITS} {_LINKS}".split())
_OPENERS = {"dans", "in", "le", "on", "à", "at", "next", "ce", "this"}
_LONGEST_MOMENT = 8
END_OF_DAY = (23, 59)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`wall` is the deadline on the wall clock (naive), None when no moment could be read."""

    title: str
    wall: datetime | None
    moment: str


def read_line(text: str, *, at: datetime, language: str) -> Line:
    """`at` is now on the user's wall clock (naive)."""
    words = text.split()
    for start in range(len(words)):
        if not _may_begin(words[start]):
            continue
        for end in range(min(len(words), start + _LONGEST_MOMENT), start, -1):
            wall = _moment(words[start:end], at=at, language=language)
            if wall is not None:
                rest = words[:start] + words[end:]
                return Line(title=" ".join(rest), wall=wall, moment=" ".join(words[start:end]))
    return Line(title=" ".join(words), wall=None, moment="")


def _may_begin(word: str) -> bool:
    low = word.lower()
    return (
        low in _NAMED
        or low in _OPENERS
        or low in _NOON
        or _is_time(low)
        or "/" in low
        or _is_date(low)
    )


def _is_date(low: str) -> bool:
    return bool(_NUMBER.match(low)) and "-" in low


def _is_time(low: str) -> bool:
    return bool(_TIME.match(low) or _AM_PM.match(low))


def _moment(words: list[str], *, at: datetime, language: str) -> datetime | None:
    plain = [_plain(word.lower().strip(",")) for word in words]
    if not all(_belongs(word) for word in plain) or plain[-1] in _OPENERS:
        return None
    if all(word in _OPENERS or _NUMBER.match(word) for word in plain) and "/" not in "".join(plain):
        return None  # "dans 3", "le 12": not enough to be a moment
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


def _plain(word: str) -> str:
    """As a clock shows it: 18:00 for "18h"; noon is a time too."""
    time = _TIME.match(word)
    if time and int(time[1]) < 24:  # noqa: PLR2004 - hours of a day
        return f"{int(time[1])}:{time[2] or '00'}"
    return _NOON.get(word, word)


def _belongs(word: str) -> bool:
    return word in _INSIDE or bool(_CLOCK.match(word) or _NUMBER.match(word) or _AM_PM.match(word))


def _spoken(plain: list[str]) -> list[str]:
    """As dateparser knows it: without "at" and "next", and with tonight as a time of today."""
    text = " ".join(word for word in plain if word not in {"à", "at", "le", "on", "the"})
    text = re.sub(r"\b(?:prochaine?|next)\b", "", text)
    text = re.sub(r"\bce soir\b|\btonight\b", "today 20:00", text)
    text = text.replace("’", "'")
    return text.split()


def _completed(found: datetime, plain: list[str], *, at: datetime) -> datetime:
    """A day without a time lasts until its end; a time that has passed today is tomorrow's."""
    has_clock = any(_CLOCK.match(word) or _AM_PM.match(word) for word in plain)
    is_span = bool(set(plain) & {"dans", "in"})
    is_tonight = "soir" in plain or "tonight" in plain
    if not has_clock and not is_span and not is_tonight:
        hour, minute = END_OF_DAY
        return found.replace(hour=hour, minute=minute, second=0, microsecond=0)
    names_a_day = bool(set(plain) & _NAMED) or any("/" in word or "-" in word for word in plain)
    if found <= at and has_clock and not names_a_day:
        return found + timedelta(days=1)
    return found.replace(microsecond=0)
