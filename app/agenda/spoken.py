"""Tasks, as speech wants to hear of them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta
from itertools import islice

from django.utils import timezone

from accounts.models import User
from agenda.clock import day_start, zone_here
from agenda.models import Task
from agenda.reminders import last_call, leads_of, spoken_at
from agenda.services import day_subject
from speech import sentences
from speech import services as speech
from speech.sentences import Sentence, spoken_language
from speech.services import Utterance

MISSED_KEPT = timedelta(hours=1)
TASKS_A_QUESTION = 500
# What is said of a task, and by whom it may be: a sound lives as long as these stay as they were.
SPOKEN = ("title", "deadline_at", "priority", "is_private")


def erase_changed() -> int:
    """Erase this host's sounds of tasks that were changed or taken away, here or on another host;
    return how many. Asks the database only when there are sounds of tasks.
    """
    return speech.erase_changed(_words_now)


def _words_now(ids: Collection[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    left = iter(ids)
    while some := list(islice(left, TASKS_A_QUESTION)):
        tasks = Task.objects.filter(id__in=some, removed_at=None)
        found |= dict(map(_words, tasks.only("id", *SPOKEN)))
    return found


def _words(task: Task) -> tuple[str, str]:
    """Its id and the fingerprint of what is said of it."""
    said = "\0".join(str(getattr(task, name)) for name in SPOKEN)
    return str(task.pk), hashlib.sha256(said.encode()).hexdigest()


def task_utterance(task: Task, *, at: datetime, user: User, language: str | None) -> Utterance:
    sentence = sentences.task_sentence(
        title=task.title,
        deadline_at=timezone.localtime(task.deadline_at),
        at=timezone.localtime(at),
        language=spoken_language(language),
        priority=task.priority,
    )
    return _of_task(task, sentence, user=user)


def reminder_utterance(
    task: Task, *, lead: timedelta, at: datetime, user: User, language: str | None
) -> Utterance:
    spoken, leads = spoken_language(language), leads_of(user)
    if not lead:
        sentence = sentences.end_sentence(title=task.title, language=spoken)
        return _of_task(task, sentence, user=user)
    is_last = lead in leads and lead == last_call(leads)
    say = sentences.last_call_sentence if is_last else sentences.reminder_sentence
    sentence = say(
        title=task.title,
        deadline_at=timezone.localtime(task.deadline_at),
        at=timezone.localtime(spoken_at(lead, deadline_at=task.deadline_at, at=at)),
        language=spoken,
    )
    return _of_task(task, sentence, user=user)


def _of_task(task: Task, sentence: Sentence, *, user: User) -> Utterance:
    """Words go to Google only when the task is not private and its owner chose Google's voice."""
    return Utterance(
        subject=str(task.pk),
        parts=sentence,
        expires_at=task.deadline_at,
        private=task.is_private or user.voice != "google",
        speed=user.speed,
        tasks=(_words(task),),
    )


def missed_utterance(
    *, reminders: int, forgotten: int, at: datetime, user: User, language: str | None
) -> Utterance:
    """What could not be said while the page was cut off: numbers, no words of any task."""
    spoken = spoken_language(language)
    return Utterance(
        subject=day_subject(user.pk),
        parts=sentences.missed_sentence(reminders=reminders, forgotten=forgotten, language=spoken),
        expires_at=at + MISSED_KEPT,
        private=user.voice != "google",
        speed=user.speed,
    )


def day_utterance(*, at: datetime, user: User, language: str | None) -> Utterance:
    """The rest of today, by the time zone in effect. Its sound lives until the first of its tasks
    is forgotten.
    """
    zone = zone_here()
    ends_at = day_start(at.astimezone(zone).date() + timedelta(days=1), zone=zone)
    mine = Task.objects.of(user.pk).live(at=at)
    tasks = list(mine.due(since=at, until=ends_at).defer("notes").by_deadline())
    spoken = [
        sentences.Spoken(
            title=task.title,
            deadline_at=timezone.localtime(task.deadline_at),
            priority=task.priority,
        )
        for task in tasks
    ]
    to, local_at = spoken_language(language), timezone.localtime(at)
    return Utterance(
        subject=day_subject(user.pk),
        parts=sentences.day_sentence(tasks=spoken, at=local_at, language=to),
        expires_at=tasks[0].deadline_at if tasks else ends_at,
        private=user.voice != "google" or any(task.is_private for task in tasks),
        speed=user.speed,
        tasks=tuple(map(_words, tasks)),
    )
