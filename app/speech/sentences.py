"""What is said: a task, the day, a reminder, what was missed. Pure: values in, a sentence out.

Every datetime is aware and already in the listener's time zone; `at` is now. `language` is a
language code as Django gives it ("fr", "en-gb"); what is not French is spoken in English.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from speech import numbers
from speech.moments import Language, moment, remaining, time_of_day, weekday
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
    *, title: str, deadline_at: datetime, at: datetime, language: str, priority: int = 0
) -> str:
    """Return "Rendre le TP trois, demain à midi."; in the last hour also what is left. What is
    important begins with that: "Important : rendre le TP trois, demain à midi."
    """
    spoken = spoken_language(language)
    parts = [moment(deadline_at, at=at, language=spoken)]
    if deadline_at - at <= NEAR:
        parts.append(remaining(deadline_at - at, language=spoken))
    sentence = _sentence(spoken_title(title, language=spoken), ", ".join(parts))
    if not priority:
        return sentence
    return f"{_capital(PRIORITIES[priority])}{_colon(spoken)} {sentence}"


def day_sentence(*, tasks: Sequence[Spoken], at: datetime, language: str) -> str:
    """Return the day of `at` in one breath: the date, how many tasks, then each by its time.

    `tasks` are those of that day, soonest first.
    """
    spoken = spoken_language(language)
    sentences = [_day_opening(len(tasks), at, spoken)]
    for task in tasks[:MOST_TASKS_OF_A_DAY]:
        when = _capital(time_of_day(task.deadline_at, language=spoken))
        if task.priority:
            when = f"{when}, {PRIORITIES[task.priority]}"
        title = spoken_title(task.title, language=spoken)
        sentences.append(_ended(f"{when}{_colon(spoken)} {title}"))
    if len(tasks) > MOST_TASKS_OF_A_DAY:
        rest = _tasks(len(tasks) - MOST_TASKS_OF_A_DAY, spoken)
        sentences.append(f"Et encore {rest}." if spoken == "fr" else f"And {rest} more.")
    return " ".join(sentences)


def reminder_sentence(*, title: str, deadline_at: datetime, at: datetime, language: str) -> str:
    """Return "Rappel : rendre le TP, demain à midi, dans un jour."."""
    spoken = spoken_language(language)
    when = moment(deadline_at, at=at, language=spoken)
    left = remaining(deadline_at - at, language=spoken)
    opening = "Rappel" if spoken == "fr" else "Reminder"
    sentence = _sentence(spoken_title(title, language=spoken), f"{when}, {left}")
    return f"{opening}{_colon(spoken)} {sentence}"


def last_call_sentence(*, title: str, deadline_at: datetime, at: datetime, language: str) -> str:
    """Return the last reminder: the task will be forgotten, and the key that keeps it."""
    spoken = spoken_language(language)
    name = spoken_title(title, language=spoken)
    left = remaining(deadline_at - at, language=spoken)
    if spoken == "fr":
        return f"Dernier rappel : « {name} » sera oubliée {left}. Touche G pour garder."
    return f'Last reminder: "{name}" will be forgotten {left}. Press G to keep it.'


def missed_sentence(*, reminders: int, forgotten: int, language: str) -> str:
    """Return what happened while nobody could speak; empty when nothing did."""
    spoken = spoken_language(language)
    if spoken == "fr":
        parts = [
            _happened(reminders, "un rappel a été manqué", "rappels ont été manqués", spoken),
            _happened(forgotten, "une tâche a été oubliée", "tâches ont été oubliées", spoken),
        ]
    else:
        parts = [
            _happened(reminders, "one reminder was missed", "reminders were missed", spoken),
            _happened(forgotten, "one task was forgotten", "tasks were forgotten", spoken),
        ]
    said = [part for part in parts if part]
    if not said:
        return ""
    opening, link = (
        ("Pendant l'arrêt,", " et ") if spoken == "fr" else ("While I was away,", " and ")
    )
    return f"{opening} {link.join(said)}."


def _day_opening(count: int, at: datetime, language: Language) -> str:
    day = weekday(at.date(), this_year=at.year, language=language)
    if language == "fr":
        return f"Aujourd'hui {day}, {_tasks(count, language)}."
    return f"Today, {day}, {_tasks(count, language)}."


def _tasks(count: int, language: Language) -> str:
    if language == "fr":
        number = numbers.french(count, feminine=True) if count else "aucune"
        return f"{number} tâche{'s' if count > 1 else ''}"
    return f"{numbers.english(count) if count else 'no'} task{'' if count == 1 else 's'}"


def _happened(count: int, one: str, several: str, language: Language) -> str:
    if count < 1:
        return ""
    if count == 1:
        return one
    return f"{numbers.french(count) if language == 'fr' else numbers.english(count)} {several}"


def _sentence(title: str, when: str) -> str:
    """A title that ends like a sentence stays one; otherwise the moment follows after a comma."""
    if title.endswith((".", "!", "?", "…", ":")):
        return _ended(f"{_capital(title)} {_capital(when)}")
    return _ended(f"{_capital(title)}, {when}")


def _colon(language: Language) -> str:
    return " :" if language == "fr" else ":"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
