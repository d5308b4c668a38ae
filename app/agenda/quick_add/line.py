"""One line, in French or English, becomes a title, a deadline, tags, a priority and a repeat. What
was not understood is named, and stays in the title. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from agenda.quick_add.deadline import read_deadline
from agenda.repeat import repeat_of
from agenda.tags import tag_name

MOST_URGENT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`wall` is the deadline on the wall clock (naive), None when the line says none, or says it
    in words that were not understood: those are `unread`. Where they mean one of `options`, then
    `rest` is the title without them.
    """

    title: str
    wall: datetime | None
    deadline_words: str
    rest: str = ""
    is_range: bool
    options: tuple[datetime, ...] = ()
    rhythm: str = ""
    tags: tuple[str, ...] = ()
    priority: int
    repeat: str = ""
    unread: tuple[str, ...] = ()


def read_line(text: str, *, at: datetime, language: str, zone: ZoneInfo | None = None) -> Line:
    """`at` is now on the user's wall clock (naive); hours from now are counted in `zone`."""
    words, tags, priority, unread = _marks(text.split())
    found = read_deadline(words, at=at, language=language, zone=zone)
    deadline_words = found.deadline_words if found.wall else ()
    indexes = set(range(len(words))) - set(found.rule_words)
    return Line(
        title=_title(_text(words, indexes - set(deadline_words))),
        rest=_title(_text(words, indexes - set(found.deadline_words))),
        wall=found.wall,
        is_range=found.is_range,
        options=found.options,
        deadline_words=_text(words, deadline_words),
        rhythm=_text(words, found.rule_words),
        tags=tags,
        priority=priority,
        repeat=repeat_of(found.rule),
        unread=(*unread, *(" ".join(words[first:last]) for first, last in found.unread)),
    )


def _title(text: str) -> str:
    """Without the colon, dash or comma that stood between it and the deadline."""
    return re.sub(r"^(?:[:,;–—-]+(?: |$))+|(?: [:,;–—-]+)+$|(?<=\w)[,:]$", "", text)


def _text(words: list[str], indexes: Collection[int]) -> str:
    return " ".join(words[index] for index in sorted(indexes))


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
        elif bare[1:].isdigit():
            rest.append(word)  # "PR #482" is a number
        elif bare and (name := tag_name(bare)):
            tags[name] = None
        else:
            rest.append(word)
            if bare and bare != "#":
                unread.append(word)
    return rest, tuple(tags), priority, unread
