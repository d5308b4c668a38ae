"""The rows of a page of many tasks, as agenda/task.html says them.

Django's templates take 0.3 ms a row, and tasks differ in few ways but their words. So the template
is rendered once for each shape of task, with marks where words of its own will stand, and kept;
a row is its shape filled in. What the template may use of a task: `id` (also in `url`), what
`_words` gives, and of a Task what its shape holds (as marks.html does).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from functools import lru_cache
from html import escape
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import UUID

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.translation import get_language

from agenda import times
from agenda.models import Task

NOTES_SHOWN = 160
SHAPES_KEPT = 1000
ANY = UUID(int=0)
# A mark, and one that `urlencode` has gone over.
MARK = re.compile("\x00([a-z0-9]+)\x00|%%00([a-z0-9]+)%%00")


class Shape(NamedTuple):
    """What makes the template say something else than other words."""

    language: str | None
    speaks: bool
    is_dated: bool
    has_notes: bool
    tags: int
    priority: int
    repeat: str
    repeat_rule: str
    is_private: bool


def rows_of(tasks: Iterable[Any], *, at: datetime, is_dated: bool, speaks: bool) -> SafeString:
    """Of tasks as_listed, in the language and the time zone of whoever is served; with their day
    where they stand under no heading that says it (`is_dated`).
    """
    language, today = get_language(), timezone.localtime(at).date()
    rows = []
    for task in tasks:
        words = _words(task, at=at, today=today, is_dated=is_dated)
        shape = Shape(
            *(language, speaks, is_dated, bool(task.notes_begin), len(task.tag_names)),
            *(task.priority, task.repeat, task.repeat_rule, task.is_private),
        )
        rows.append(_filled_in(shape) % words)
    return mark_safe("".join(rows))  # noqa: S308 - a template's, and words that _words escaped


def _words(task: Any, *, at: datetime, today: date, is_dated: bool) -> dict[str, str]:
    """What stands in a row and in no other, as HTML."""
    local = timezone.localtime(task.deadline_at)
    notes = task.notes_begin
    if len(notes) > NOTES_SHOWN:
        notes = Truncator(notes).chars(NOTES_SHOWN)
    words = {
        "id": str(task.id),
        "title": escape(task.title),
        "notes": escape(notes),
        "iso": local.isoformat(timespec="seconds"),
        "clock": times.wall_clock(local),
        "day": times.short_day(local.date(), today) if is_dated else "",
        "left": times.left_at(task.deadline_at, at),
        "ebb": str(times.ebb_at(task.deadline_at, at)),
    }
    for number, name in enumerate(task.tag_names):
        words[f"tag{number}"], words[f"tag{number} quoted"] = escape(name), quote(name)
    return words


@lru_cache(maxsize=SHAPES_KEPT)
def _filled_in(shape: Shape) -> str:
    """The template's row of a task of that shape, for `%` with _words."""
    tags = "".join(f" {_mark(f'tag{number}')}" for number in range(shape.tags))
    sample: Any = Task(
        id=ANY,
        title=_mark("title"),
        tags=tags,
        priority=shape.priority,
        repeat=shape.repeat,
        repeat_rule=shape.repeat_rule,
        is_private=shape.is_private,
        notes=_mark("notes") if shape.has_notes else "",
    )
    for name in ("iso", "clock", "left", "ebb"):
        setattr(sample, name, _mark(name))
    sample.day = _mark("day") if shape.is_dated else ""
    told = render_to_string("agenda/task.html", {"task": sample, "speaks": shape.speaks})
    # The indentation is for who reads the template: it would be a fifth of the page.
    row = re.sub(r"\s*\n\s*", " ", told)
    row = row.replace(str(ANY), _mark("id")).replace("%", "%%")
    return MARK.sub(lambda found: f"%({found[1] or f'{found[2]} quoted'})s", row)


def _mark(name: str) -> str:
    return f"\x00{name}\x00"
