"""One line, in French or English, becomes a title, a deadline, tags, a priority and a rhythm. What
was not understood is named, and stays in the title. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time

from agenda.repeat import walls_after
from agenda.tags import tag_name
from agenda.written_moment import END_OF_DAY, Moment, find_moment, looks_like_a_moment
from agenda.written_repeat import Rhythm, find_rhythm

MOST_URGENT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`wall` is the deadline on the wall clock (naive), None when no moment could be read."""

    title: str
    wall: datetime | None
    moment: str
    rhythm: str = ""
    tags: tuple[str, ...] = ()
    priority: int = 0
    repeat: str = ""
    unread: tuple[str, ...] = ()


def read_line(text: str, *, at: datetime, language: str) -> Line:
    """`at` is now on the user's wall clock (naive)."""
    words, tags, priority, unread = _marks(text.split())
    rhythm = find_rhythm(words)
    words, written = rhythm.words, ""
    moment = find_moment(words, at=at, language=language)
    if moment is not None:
        written = " ".join(words[moment.start : moment.end])
        words = words[: moment.start] + words[moment.end :]
    return Line(
        title=" ".join(words),
        wall=_first(moment, rhythm, at=at),
        moment=written,
        rhythm=rhythm.written,
        tags=tags,
        priority=priority,
        repeat=rhythm.repeat,
        unread=(*unread, *rhythm.unread, *filter(looks_like_a_moment, words)),
    )


def _marks(words: list[str]) -> tuple[list[str], tuple[str, ...], int, list[str]]:
    """Take "#tags" and "!" out of `words`; also return the "#words" that cannot be tags."""
    rest: list[str] = []
    tags: dict[str, None] = {}
    unread: list[str] = []
    priority = 0
    for word in words:
        bare = word.rstrip(",;.:!?") if word.startswith("#") else ""
        if set(word) == {"!"}:
            priority = max(priority, min(len(word), MOST_URGENT))
        elif bare and (name := tag_name(bare)):
            tags[name] = None
        else:
            rest.append(word)
            if bare and bare != "#":
                unread.append(word)
    return rest, tuple(tags), priority, unread


def _first(moment: Moment | None, rhythm: Rhythm, *, at: datetime) -> datetime | None:
    """When the task is due first: a rhythm that names its days needs no other day."""
    if not rhythm.names_its_days or (moment is not None and moment.has_day):
        return moment.wall if moment else None
    day = rhythm.day_of_month
    clock = moment.wall.time() if moment else time(*END_OF_DAY)
    series = datetime.combine(date(at.year, 1, day or 1), clock)
    # The first in a month that has this day: the series will hang on it.
    walls = walls_after(at, repeat=rhythm.repeat, series=series)
    return next((wall for wall in walls if day is None or wall.day == day), None)
