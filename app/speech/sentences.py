"""What is said: a task, the day, a reminder, what was missed. Pure: values in, a sentence out.

Every datetime is aware and already in the listener's time zone; `at` is now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from speech.numbers import Language, counted, in_words
from speech.times import day_and_time, remaining, time_of_day, weekday
from speech.titles import spoken_title

# The same words in French and English.
PRIORITIES = ("", "important", "urgent")
# What is near is also said as time left; further away the date says more.
NEAR = timedelta(hours=1)
# More would be a minute and a half of listening; the rest is counted.
MOST_TASKS_OF_A_DAY = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What of a task is said."""

    title: str
    deadline_at: datetime
    priority: int = 0


def spoken_language(code: str | None) -> Language:
    """Return the language to speak for a language code such as "fr", "fr-ca", "en-gb" or None."""
    return "fr" if (code or "").lower().startswith("fr") else "en"


def task_sentence(
    *, title: str, deadline_at: datetime, at: datetime, language: Language, priority: int = 0
) -> str:
    """Return "Rendre le TP trois, demain à midi."; in the last hour also what is left. What is
    important begins with that: "Important : rendre le TP trois, demain à midi."
    """
    parts = [day_and_time(deadline_at, at=at, language=language)]
    if deadline_at - at <= NEAR:
        parts.append(remaining(deadline_at - at, language=language))
    sentence = _sentence(spoken_title(title, language=language), ", ".join(parts))
    if not priority:
        return sentence
    return f"{_capital(PRIORITIES[priority])}{_colon(language)} {sentence}"


def day_sentence(*, tasks: Sequence[Spoken], at: datetime, language: Language) -> str:
    """Return the day of `at` in one breath: the date, how many tasks, then each by its time.

    `tasks` are those of that day, soonest first.
    """
    day = weekday(at.date(), this_year=at.year, language=language)
    today = f"Aujourd'hui {day}" if language == "fr" else f"Today, {day}"
    sentences = [f"{today}, {_tasks(len(tasks), language)}."]
    for task in tasks[:MOST_TASKS_OF_A_DAY]:
        when = _capital(time_of_day(task.deadline_at, language=language))
        if task.priority:
            when = f"{when}, {PRIORITIES[task.priority]}"
        title = spoken_title(task.title, language=language)
        sentences.append(_ended(f"{when}{_colon(language)} {title}"))
    if len(tasks) > MOST_TASKS_OF_A_DAY:
        rest = _tasks(len(tasks) - MOST_TASKS_OF_A_DAY, language)
        sentences.append(f"Et encore {rest}." if language == "fr" else f"And {rest} more.")
    return " ".join(sentences)


def reminder_sentence(
    *, title: str, deadline_at: datetime, at: datetime, language: Language
) -> str:
    """Return "Rappel : rendre le TP, demain à midi, dans un jour."."""
    when = day_and_time(deadline_at, at=at, language=language)
    left = remaining(deadline_at - at, language=language)
    opening = "Rappel" if language == "fr" else "Reminder"
    sentence = _sentence(spoken_title(title, language=language), f"{when}, {left}")
    return f"{opening}{_colon(language)} {sentence}"


def last_call_sentence(
    *, title: str, deadline_at: datetime, at: datetime, language: Language
) -> str:
    """Return the last reminder: the task will be forgotten, and the key that keeps it."""
    name = spoken_title(title, language=language)
    left = remaining(deadline_at - at, language=language)
    if language == "fr":
        return f"Dernier rappel : « {name} » sera oubliée {left}. Touche G pour garder."
    return f'Last reminder: "{name}" will be forgotten {left}. Press G to keep it.'


def missed_sentence(*, reminders: int, forgotten: int, language: Language) -> str:
    """Return what happened while nobody could speak; empty when nothing did."""
    if language == "fr":
        opening, link = "Pendant l'arrêt,", " et "
        missed = ("un rappel a été manqué", "rappels ont été manqués")
        over = ("une tâche a été oubliée", "tâches ont été oubliées")
    else:
        opening, link = "While I was away,", " and "
        missed = ("one reminder was missed", "reminders were missed")
        over = ("one task was forgotten", "tasks were forgotten")
    said = [
        one if count == 1 else f"{in_words(count, language)} {several}"
        for count, (one, several) in ((reminders, missed), (forgotten, over))
        if count > 0
    ]
    return f"{opening} {link.join(said)}." if said else ""


def _tasks(count: int, language: Language) -> str:
    if count:
        return counted(count, "tâche", "task", language)
    return "aucune tâche" if language == "fr" else "no tasks"


def _sentence(title: str, when: str) -> str:
    """A title that ends like a sentence stays one; otherwise the time follows after a comma."""
    if title.endswith((".", "!", "?", "…", ":")):
        return _ended(f"{_capital(title)} {_capital(when)}")
    return _ended(f"{_capital(title)}, {when}")


def _colon(language: Language) -> str:
    return " :" if language == "fr" else ":"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
