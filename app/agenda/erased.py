"""Which rows were erased: ids in files of this host's own, apart from the database and its backups.

A backup that is brought back holds rows that people have deleted since. Whoever restores it asks
for these ids and erases them again before anybody can see them (`agenda_forget_again`).
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings

from config.retry import if_undone

if TYPE_CHECKING:
    from django.db.models import Model

    from agenda.models import Task

# Longer than any backup is kept (role backup's argument_specs name the limit).
KEPT = timedelta(days=35)
SUFFIX = ".ids"
TASK = "agenda.task"
NEXT = "next"
"""In the place of an id: another task of the series will follow."""
WENT = "went"
"""Behind the id of what follows: the row goes with the same commit, so that no purge notes it anew.
If it is noted alone all the same, that commit never came, and its owner took it away since.
"""
log = logging.getLogger("agenda.erased")


def note(model: type[Model], ids: Iterable[object], *, at: datetime) -> None:
    """Remember that rows of `model` are about to be erased. To be called before the commit, in what
    is `retried` as a whole: what is undone is no longer noted. Where nobody knows, or a run is
    killed, an id too many does no harm, for its row was about to go.
    """
    _write("".join(f"{model._meta.label_lower} {row}\n" for row in ids), at=at)


def note_series(again: Mapping[UUID, Task | None], *, at: datetime, stays: bool) -> None:
    """Remember which task of a series comes after which: a restored series goes on unless its last
    task was erased. `stays`: the rows are kept for a grace, and noted once more at its end.
    """
    went = "" if stays else f" {WENT}"
    lines = (
        f"{TASK} {last}{f' {after.id}{went}' if after else ''}\n" for last, after in again.items()
    )
    _write("".join(lines), at=at)


def _write(text: str, *, at: datetime) -> None:
    if not (text and settings.ERASED_JOURNAL):
        return
    path = Path(settings.ERASED_JOURNAL) / f"{at.astimezone(UTC):%Y-%m-%d}{SUFFIX}"
    noted = text.encode()
    with _logged():
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            written = os.write(descriptor, noted)  # at once: two processes never mix their lines
            end = os.lseek(descriptor, 0, os.SEEK_CUR)
            if_undone(partial(_blank, path, end - written, end))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _blank(path: Path, begin: int, end: int) -> None:
    """Lines of what was undone, in place: others may have written behind them since."""
    with _logged():
        descriptor = os.open(path, os.O_WRONLY)
        try:
            os.pwrite(descriptor, b"\n" * (end - begin), begin)
        finally:
            os.close(descriptor)


@contextmanager
def _logged() -> Iterator[None]:
    """A full disk does not keep anything from being forgotten: it is logged, and the erasing goes
    on.
    """
    try:
        yield
    except OSError as error:
        log.error("the journal of erased ids cannot be written: %s", error.strerror)


def lines() -> Iterator[str]:
    """Everything this host remembers, oldest day first."""
    for path in _files():
        yield from filter(None, path.read_text("utf-8").splitlines())


@dataclass(frozen=True, slots=True, kw_only=True)
class Fates:
    """What a restored database must still go through."""

    erased: Mapping[str, set[str]]
    """Label of a model -> ids of its rows to erase."""
    ended: set[str]
    """Tasks of a series that goes on: they end, and the purge makes the next ones."""


def fates(noted: Iterable[str]) -> Fates:
    """Of lines `label id`, and `label id next` where another task of the series followed. A line
    cut short by a power cut is left out. Their order says nothing: they are of several hosts.
    """
    erased: dict[str, set[str]] = defaultdict(set)
    after: dict[str, set[str]] = defaultdict(set)
    stayed = set()
    for line in noted:
        label, row, following, went = [*line.split(), "", "", ""][:4]
        if not _is_an_id(row):
            continue
        if not following:
            erased[label].add(row)
            continue
        after[row].add(following)
        if went != WENT:
            stayed.add(row)
    over = erased[TASK] - stayed
    ended = {row for row in after if over.isdisjoint(_from(row, after))}
    erased[TASK] = (erased[TASK] | after.keys()) - ended
    return Fates(erased=erased, ended=ended)


def _from(row: str, after: Mapping[str, set[str]]) -> set[str]:
    """The row and whatever came after it. Several did after one that was restored, and in journals
    of a release that gave each try of a purge another one.
    """
    found, waiting = set(), {row}
    while waiting:
        found |= waiting
        waiting = set().union(*(after.get(one, ()) for one in waiting)) - found
    return found


def _is_an_id(row: str) -> bool:
    try:
        return row.isdecimal() or bool(UUID(row))
    except ValueError:
        return False


def prune(*, at: datetime) -> int:
    """Drop the days that no backup reaches back to; return how many."""
    oldest = f"{at.astimezone(UTC) - KEPT:%Y-%m-%d}{SUFFIX}"
    old = [path for path in _files() if path.name < oldest]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _files() -> list[Path]:
    if not settings.ERASED_JOURNAL:
        return []
    return sorted(Path(settings.ERASED_JOURNAL).glob(f"????-??-??{SUFFIX}"))
