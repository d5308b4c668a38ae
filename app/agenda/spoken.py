"""Tasks, as speech wants to hear of them."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from accounts.models import User
from agenda.models import Task
from agenda.services import day_subject
from speech import sentences
from speech.services import Utterance


def task_utterance(task: Task, *, at: datetime, user: User, language: str | None) -> Utterance:
    """Words go to Google only when the task is not private and its owner chose Google's voice."""
    text = sentences.task_sentence(
        title=task.title,
        deadline_at=timezone.localtime(task.deadline_at),
        at=timezone.localtime(at),
        language=language or "fr",
        priority=task.priority,
    )
    return Utterance(
        subject=str(task.pk),
        text=text,
        language=language or "fr",
        expires_at=task.deadline_at,
        private=task.is_private or user.voice != "google",
    )


def day_utterance(
    tasks: list[Task], *, at: datetime, ends_at: datetime, user: User, language: str
) -> Utterance:
    """The rest of today. Its sound lives until the first of its tasks is forgotten."""
    spoken = [
        sentences.Spoken(
            title=task.title,
            deadline_at=timezone.localtime(task.deadline_at),
            priority=task.priority,
        )
        for task in tasks
    ]
    text = sentences.day_sentence(tasks=spoken, at=timezone.localtime(at), language=language)
    return Utterance(
        subject=day_subject(user.pk),
        text=text,
        language=language,
        expires_at=tasks[0].deadline_at if tasks else ends_at,
        private=user.voice != "google" or any(task.is_private for task in tasks),
    )
