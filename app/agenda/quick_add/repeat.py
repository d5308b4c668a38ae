"""How often, as people write it in a line: "tous les lundis", "every weekday". Pure.

Only phrases that say "each" are read: "weekly report" is a title.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FRENCH = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
_ENGLISH = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WEEKDAYS = {name: number for names in (_FRENCH, _ENGLISH) for number, name in enumerate(names)}
_WEEKDAY = f"(?P<weekday>{'|'.join(WEEKDAYS)})"
_NUMBER = r"(?P<number>3[01]|[12]\d|[1-9])(?:er|st|nd|rd|th)?"
_EACH = "(?:tous les|toutes les|chaque|every|each)"
# "Every 2nd Monday" is no day of the month.
_OF_THE_MONTH = r"(?: of (?:the|each|every) month)?(?! (?:\w*day|week|month|year|hour)s?(?: |$))"
# Of a line without capitals and accents. In this order: the first that fits counts.
_RHYTHMS = [
    ("weekdays", "en semaine|du lundi au vendredi|on weekdays"),
    ("weekdays", "(?:from )?monday (?:to|through) friday"),
    ("weekdays", f"{_EACH} (?:jours? ouvres?|weekday|working day)"),
    ("daily", f"{_EACH} (?:jours?|day)(?! (?:ouvrable|ferie)s?(?: |$))"),
    ("weekly", f"{_EACH} {_WEEKDAY}s?"),
    ("weekly", f"{_EACH} (?:semaines?|week)"),
    ("monthly", f"(?:(?:le|on|the|on the) )?{_NUMBER} (?:de |of )?{_EACH} (?:mois|month)"),
    ("monthly", f"tous les {_NUMBER} du mois"),
    ("monthly", rf"every {_NUMBER}(?<=st|nd|rd|th){_OF_THE_MONTH}"),
    ("monthly", f"{_EACH} (?:mois|month)"),
]
_PATTERNS = [(repeat, re.compile(rf"(?:{text})(?= |$)")) for repeat, text in _RHYTHMS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    repeat: str
    weekday: int | None = None
    day_of_month: int | None = None


def rhythm_at(line: str, position: int) -> tuple[int, Rhythm] | None:
    """Where the phrase that begins at `position` ends, and what it says."""
    for repeat, pattern in _PATTERNS:
        if found := pattern.match(line, position):
            parts = found.groupdict()
            number, weekday = parts.get("number"), WEEKDAYS.get(parts.get("weekday", ""))
            day = int(number) if number else None
            return found.end(), Rhythm(repeat=repeat, weekday=weekday, day_of_month=day)
    return None
