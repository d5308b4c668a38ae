"""What is said: a task, the day, a reminder, what was missed. Pure: values in, a sentence out.

Every datetime is aware and already in the listener's time zone; `at` is now. A sentence is in the
listener's language, but a title in its own where that is sure: hence parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from speech.languages import language_of
from speech.numbers import Language, counted, in_words
from speech.times import day_and_time, remaining, time_of_day, weekday
from speech.titles import spoken_title

# The same words in French and English.
PRIORITIES = ("", "important", "urgent")
# What is near is also said as time left; further away the date says more.
NEAR = timedelta(hours=1)
# More would be a minute and a half of listening; the rest is counted.
MOST_TASKS_OF_A_DAY = 20


class Part(NamedTuple):
    """What is said in one language."""

    language: Language
    text: str


Speed = Literal["slow", "normal", "fast"]
Sentence = tuple[Part, ...]
"""Its parts one after another, spaces included; neighbours differ in language."""


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
) -> Sentence:
    """Return "Rendre le TP trois, demain à midi."; in the last hour also what is left. What is
    important begins with that: "Important : rendre le TP trois, demain à midi."
    """
    when = day_and_time(deadline_at, at=at, language=language)
    if deadline_at - at <= NEAR:
        when = f"{when}, {remaining(deadline_at - at, language=language)}"
    opening = f"{_capital(PRIORITIES[priority])}{_colon(language)} " if priority else ""
    return _sentence(opening, title, when, language)


def day_sentence(*, tasks: Sequence[Spoken], at: datetime, language: Language) -> Sentence:
    """Return the day of `at` in one breath: the date, how many tasks, then each by its time.

    `tasks` are those of that day, soonest first.
    """
    day = weekday(at.date(), this_year=at.year, language=language)
    today = f"Aujourd'hui {day}" if language == "fr" else f"Today, {day}"
    parts = [Part(language, f"{today}, {_tasks(len(tasks), language)}.")]
    for task in tasks[:MOST_TASKS_OF_A_DAY]:
        when = _capital(time_of_day(task.deadline_at, language=language))
        if task.priority:
            when = f"{when}, {PRIORITIES[task.priority]}"
        title = _title(task.title, language)
        parts.append(Part(language, f" {when}{_colon(language)} "))
        parts.append(Part(title.language, _ended(title.text)))
    if len(tasks) > MOST_TASKS_OF_A_DAY:
        rest = _tasks(len(tasks) - MOST_TASKS_OF_A_DAY, language)
        more = f" Et encore {rest}." if language == "fr" else f" And {rest} more."
        parts.append(Part(language, more))
    return _joined(*parts)


def reminder_sentence(
    *, title: str, deadline_at: datetime, at: datetime, language: Language
) -> Sentence:
    """Return "Rappel : rendre le TP, demain à midi, dans un jour."."""
    when = day_and_time(deadline_at, at=at, language=language)
    left = remaining(deadline_at - at, language=language)
    opening = "Rappel" if language == "fr" else "Reminder"
    return _sentence(f"{opening}{_colon(language)} ", title, f"{when}, {left}", language)


def last_call_sentence(
    *, title: str, deadline_at: datetime, at: datetime, language: Language
) -> Sentence:
    """Return the last reminder: the task will be forgotten, and the key that keeps it."""
    name = _title(title, language)
    left = remaining(deadline_at - at, language=language)
    if language == "fr":
        before, after = "Dernier rappel : « ", f" » sera oubliée {left}. Touche G pour garder."
    else:
        before, after = 'Last reminder: "', f'" will be forgotten {left}. Press G to keep it.'
    return _joined(Part(language, before), name, Part(language, after))


def end_sentence(*, title: str, language: Language) -> Sentence:
    """Return what is said in the last seconds of a task."""
    name = _title(title, language)
    if language == "fr":
        before, after = "C'est l'heure : « ", " » va être oubliée. Touche G pour garder."
    else:
        before, after = 'It is time: "', '" is about to be forgotten. Press G to keep it.'
    return _joined(Part(language, before), name, Part(language, after))


def missed_sentence(*, reminders: int, forgotten: int, language: Language) -> Sentence:
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
    return (Part(language, f"{opening} {link.join(said)}."),) if said else ()


def _tasks(count: int, language: Language) -> str:
    if count:
        return counted(count, "tâche", "task", language)
    return "aucune tâche" if language == "fr" else "no tasks"


def _sentence(opening: str, title: str, when: str, language: Language) -> Sentence:
    """A title that ends like a sentence stays one; otherwise the time follows after a comma."""
    own, said = _title(title, language)
    is_whole = said.endswith((".", "!", "?", "…", ":"))
    comma, when = ("", _capital(when)) if is_whole else (",", when)
    return _joined(
        Part(language, opening),
        Part(own, f"{_capital(said)}{comma}"),
        Part(language, f" {_ended(when)}"),
    )


def _title(title: str, language: Language) -> Part:
    own = language_of(title) or language
    return Part(own, spoken_title(title, language=own))


def _joined(*parts: Part) -> Sentence:
    joined: list[Part] = []
    for part in parts:
        if joined and joined[-1].language == part.language:
            joined[-1] = Part(part.language, joined[-1].text + part.text)
        elif part.text:
            joined.append(part)
    return tuple(joined)


def _colon(language: Language) -> str:
    return " :" if language == "fr" else ":"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
