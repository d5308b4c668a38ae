"""How often, as people write it in a line: "tous les lundis", "every weekday". Pure.

Only phrases that say "each" are read: "weekly report" is a title.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_WEEKDAY = (
    "(?P<day>lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|"
    "monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
)
_NUMBER = r"(?P<number>3[01]|[12]\d|[1-9])(?:er|st|nd|rd|th)?"
_EACH = "(?:tous les|toutes les|chaque|every|each)"
# In this order: the first that is found counts.
_RHYTHMS = [
    ("weekdays", "en semaine|du lundi au vendredi|on weekdays"),
    ("weekdays", "(?:from )?monday (?:to|through) friday"),
    ("weekdays", f"{_EACH} (?:jours? ouvrés?|weekday|working day)"),
    ("daily", f"{_EACH} (?:jours?|day)"),
    ("weekly", f"{_EACH} {_WEEKDAY}s?"),
    ("weekly", f"{_EACH} (?:semaines?|week)"),
    ("monthly", f"(?:(?:le|on the|the) )?{_NUMBER} (?:de |of )?{_EACH} (?:mois|month)"),
    ("monthly", f"tous les {_NUMBER} du mois"),
    ("monthly", rf"every {_NUMBER}(?<=st|nd|rd|th)(?: of the month)?"),
    ("monthly", f"{_EACH} (?:mois|month)"),
]
_READ = [
    (repeat, re.compile(rf"(?<!\S)(?:{text})(?![\w-])", re.IGNORECASE)) for repeat, text in _RHYTHMS
]
# What people also say, and the agenda does not do.
_SEVERAL = r"(?:\d+|deux|trois|quatre|quinze|two|three|four|other|second)"
_UNIT = r"(?:jours?|semaines?|mois|days?|weeks?|months?)"
_OTHER_UNIT = (
    "(?:ans?|années?|heures?|minutes?|matins?|midis?|soirs?|nuits?"
    "|years?|hours?|minutes?|mornings?|evenings?|nights?)"
)
_UNREAD = re.compile(
    rf"(?<!\S)(?:{_EACH} {_SEVERAL} (?:{_UNIT}|{_OTHER_UNIT})"
    rf"|{_EACH} {_OTHER_UNIT}|un jour sur deux)(?![\w-])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """`words` are the line's without the phrase; a weekday stays, for it is the moment too."""

    words: list[str]
    repeat: str = ""
    written: str = ""
    day_of_month: int | None = None
    unread: tuple[str, ...] = ()

    @property
    def names_its_days(self) -> bool:
        return self.repeat in {"daily", "weekdays"} or self.day_of_month is not None


def find_rhythm(words: list[str]) -> Rhythm:
    line = " ".join(words)
    if lost := _UNREAD.search(line):
        return Rhythm(words=words, unread=(lost.group(),))
    for repeat, pattern in _READ:
        if found := pattern.search(line):
            parts = found.groupdict()
            number = parts.get("number")
            rest = f"{line[: found.start()]} {parts.get('day') or ''} {line[found.end() :]}"
            return Rhythm(
                words=rest.split(),
                repeat=repeat,
                written=found.group(),
                day_of_month=int(number) if number else None,
            )
    return Rhythm(words=words)
