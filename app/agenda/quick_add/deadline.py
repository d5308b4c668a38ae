"""When a line of French or English says: its tokens become one deadline, or a question. Pure.

Every word that speaks of time must be understood, and all of them together must name one deadline
that is still to come. Else nothing is read: nobody's deadline is a guess.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import TypeVar
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta
from dateutil.tz import datetime_exists

from agenda.quick_add.repeat import Rhythm
from agenda.quick_add.tokens import (
    CalendarDay,
    Clock,
    Days,
    Part,
    Role,
    Span,
    Sure,
    Token,
    Weekday,
    tokens_of,
)
from agenda.repeat import walls_after

END_OF_DAY = time(23, 59)
LAST_YEAR = 9998
NOON = 12
SATURDAY = 5
# A 29 February is that far at most.
_MOST_YEARS = 8
# Without a year a day that has just passed is not the next one.
_SOON = timedelta(days=300)
# A part of the day lasts until; and the hours that may be said of it, of twelve and of twenty-four.
_UNTIL = {"morning": time(12), "afternoon": time(18), "evening": time(20), "night": END_OF_DAY}
_LATER_HOURS = {"afternoon": range(1, 8), "evening": range(5, 12), "night": range(8, 12)}
_HOURS = {
    "morning": range(12),
    "afternoon": range(12, 20),
    "evening": range(17, 24),
    "night": range(20, 24),
}
# "Lab 3 tomorrow": the number is the title's. "Dinner 8 tonight": who knows.
_NUMBERED_TEXT = (
    "tp td dm dst cc lab labo chapitre chapter ch chap exercice exo ex exercise page p pages "
    "partie part question q no n numero number num room salle bat batiment etage floor "
    "version v step etape level niveau tome volume vol lot group groupe equipe team ligne "
    "line bus tram unit module cours lecture lesson lecon sprint issue ticket pr bug task "
    "tache homework devoir quiz assignment test projet project sujet section probleme problem "
    "article lettre phase form track season saison episode act acte a3 a4 h1"
)
_NUMBERED = frozenset(_NUMBERED_TEXT.split())
_EVENING_WORDS = {"diner", "dinner", "supper", "apero", "souper", "drinks", "party", "concert"}
_CONNECTED = {"with", "to", "for", "and", "about", "in", "at", "-", "from", "of", "via", "on"}
_BETWEEN = {"and", "et", "to", "a", "or", "ou", "/", "-"}
_NOT = {"not", "pas", "sauf", "except", "ni", "but", "or", "ou"}
_OPENERS = {Role.OPENER, Role.UNTIL, Role.BEFORE, Role.DASH}
_SHORT_FRENCH = {"jeu", "sam", "dim", "mer", "mar"}
_SHORT_ENGLISH = {"mon", "sat", "sun"}
# "Est" is a time zone behind a time, and a word.
_SHORT_NAMES = _SHORT_FRENCH | _SHORT_ENGLISH | {"est"}

# What stands before the first token and behind the last.
_END = Token(first=-1, last=-1, text="", meaning=Role.END)

_Kind = TypeVar("_Kind")


class Doubt(Exception):
    """The line speaks of time, and these tokens of it are not understood."""

    def __init__(self, *tokens: Token) -> None:
        super().__init__(tokens)
        self.tokens = tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`wall` is on the wall clock (naive), None where the line does not say when. The indexes are
    those of the words that say the deadline, the rhythm, and those that make it a question.
    """

    wall: datetime | None = None
    deadline_words: tuple[int, ...] = ()
    rhythm: Rhythm | None = None
    rhythm_words: tuple[int, ...] = ()
    unread: tuple[tuple[int, int], ...] = ()


def read_deadline(
    words: list[str], *, at: datetime, language: str, zone: ZoneInfo | None = None
) -> Reading:
    """`at` is now on the user's wall clock (naive); hours from now are counted in `zone`."""
    tokens = _joined(tokens_of(words))
    rhythms = [token for token in tokens if isinstance(token.meaning, Rhythm)]
    rhythm = next((each.meaning for each in rhythms if isinstance(each.meaning, Rhythm)), None)
    unread: tuple[tuple[int, int], ...] = ()
    try:
        _refuse_the_doubtful(tokens, language=language)
        wall = _Deadline(tokens, rhythm).wall(at=at, zone=zone)
    except Doubt as doubt:
        wall, unread = None, tuple((token.first, token.last) for token in doubt.tokens)
    times = [token for token in tokens if token.is_time and token not in rhythms]
    return Reading(
        wall=wall,
        deadline_words=() if wall is None else _indexes([*times, *_openers(tokens)]),
        rhythm=rhythm,
        rhythm_words=_indexes(rhythms[:1]),
        unread=unread,
    )


def _indexes(tokens: list[Token]) -> tuple[int, ...]:
    return tuple(index for token in tokens for index in range(token.first, token.last))


def _joined(tokens: list[Token]) -> list[Token]:
    """ "6 in the morning": the number before such a part of the day is its hour."""
    found: list[Token] = []
    for token in tokens:
        before = found[-1] if found else _END
        if (
            before.meaning is Role.NUMBER
            and isinstance(token.meaning, Part)
            and token.meaning.is_of_clock
            and len(before.text) <= len("12")
            and 1 <= int(before.text) <= NOON
        ):
            clock = Clock(hour=int(before.text), minute=0, sure=Sure.VAGUE, is_number=True)
            found[-1] = Token(first=before.first, last=before.last, text=before.text, meaning=clock)
        found.append(token)
    return found


def _refuse_the_doubtful(tokens: list[Token], *, language: str) -> None:
    """Raise Doubt for what is not understood, or makes something else of the deadline beside it."""
    doubts = [
        _with_what_it_spoils(tokens, index)
        for index in range(len(tokens))
        if _is_doubtful(tokens, index, language=language)
    ]
    if doubts and any(_speaks_of_time(token) for token in tokens):
        raise Doubt(*doubts)


def _with_what_it_spoils(tokens: list[Token], index: int) -> Token:
    """ "Ou 19h", not "ou" alone."""
    token = tokens[index]
    if token.meaning not in {Role.SPOILER, Role.LASTS, Role.BEFORE, Role.UNTIL}:
        return token
    return replace(token, last=tokens[min(index + 1, len(tokens) - 1)].last)


def _at(tokens: list[Token], index: int) -> Token:
    return tokens[index] if 0 <= index < len(tokens) else _END


def _beside(tokens: list[Token], index: int, step: int) -> Token:
    """The next token on that side that is no opener."""
    index += step
    while _at(tokens, index).meaning in {Role.OPENER, Role.DASH}:
        index += step
    return _at(tokens, index)


def _speaks_of_time(token: Token) -> bool:
    return token.is_time or token.meaning is Role.DOUBT


def _is_doubtful(tokens: list[Token], index: int, *, language: str) -> bool:
    token = tokens[index]
    before, behind = _beside(tokens, index, -1), _beside(tokens, index, 1)
    match token.meaning:
        case Role.DOUBT:
            found = not (token.text in {"am", "pm"} and before.text == "i")
        case Role.NEAR if token.text.rstrip(".") in _SHORT_NAMES:
            found = _may_be_the_day(tokens, index, language=language)
        case Role.NEAR:
            found = any(
                _speaks_of_time(each) or each.meaning is Role.NUMBER for each in (before, behind)
            )
        case Role.SPOILER:
            found = _spoils(tokens, index)
        case Role.LASTS:
            found = _is_a_vague_hour(_at(tokens, index + 1))
        case Role.NUMBER:
            found = _is_stray_number(tokens, index)
        case Clock() as clock:
            found = _is_part_of_something_else(tokens, index, clock)
        case CalendarDay() as day:
            is_counted = day.needs_end and _is_counted(tokens, index)
            found = is_counted or _ends_a_range(tokens, index)
        case _:
            found = False
    return found


def _is_a_vague_hour(token: Token) -> bool:
    clock = token.meaning
    return isinstance(clock, Clock) and clock.sure is not Sure.FIXED and not clock.is_number


def _spoils(tokens: list[Token], index: int) -> bool:
    """ "After 5pm"; "not at 8am", "pas avant 18h"; "tomorrow from 8"."""
    follower = _at(tokens, index + 1)
    if follower.meaning is Role.NUMBER and _beside(tokens, index, -1).is_time:
        return True
    if tokens[index].text in _NOT and follower.meaning in _OPENERS:
        return _at(tokens, index + 2).is_time
    return follower.is_time


def _is_counted(tokens: list[Token], index: int) -> bool:
    """ "Le 14 pages": whether the number of this day may be that of the word behind it."""
    follower = _at(tokens, index + 1)
    if index == 0 and follower.text.endswith(("er", "ir", "re")):
        return False
    return follower.meaning in {Role.WORD, Role.NUMBER, Role.LASTS} and follower.text not in (
        _CONNECTED | {"avec", "chez", "et"}
    )


def _may_be_the_day(tokens: list[Token], index: int, *, language: str) -> bool:
    """ "Sam 10h" is in doubt, "Sam demain" is a person, "jeu de société" a game."""
    if any(isinstance(token.meaning, Days | Weekday | CalendarDay) for token in tokens):
        return False
    token, behind = tokens[index], _beside(tokens, index, 1)
    if token.text.endswith("."):
        return True
    mine = (_SHORT_FRENCH | _SHORT_ENGLISH) - ({"mon"} if language == "fr" else set())
    return (index == 0 and token.text in mine and behind.text != "de") or any(
        isinstance(each.meaning, Clock | Part) or each.meaning is Role.NUMBER
        for each in (_beside(tokens, index, -1), behind)
    )


def _is_stray_number(tokens: list[Token], index: int) -> bool:
    """A number right behind a deadline, or before one as its hour might stand there."""
    behind, label = _beside(tokens, index, 1), _at(tokens, index - 1)
    if _beside(tokens, index, -1).is_time:
        return True
    if not behind.is_time or not 0 < int(tokens[index].text) < 2400:  # noqa: PLR2004
        return False
    if isinstance(behind.meaning, Clock) and tokens[index + 1].meaning is not Role.DASH:
        return False
    return label.meaning is not Role.NUMBER and label.text not in _NUMBERED


def _is_part_of_something_else(tokens: list[Token], index: int, clock: Clock) -> bool:
    """ "8h de sommeil", "3 à 9", "between 5 and 6pm", "travailler 8 heures"."""
    behind = _at(tokens, index + 1)
    of = not behind.is_time and re.match(r"(?:de|of|a)$|d'", behind.text)
    is_last = clock.is_number and _beside(tokens, index, -1).meaning is Role.NUMBER
    return bool(of or is_last or _ends_a_range(tokens, index)) or (
        clock.is_worded and _is_a_length(tokens, index)
    )


def _ends_a_range(tokens: list[Token], index: int) -> bool:
    """ "Between 5 and 6pm", "3 et 5 décembre"."""
    between, first = _at(tokens, index - 1), _at(tokens, index - 2)
    return between.text in _BETWEEN and first.meaning is Role.NUMBER


def _is_a_length(tokens: list[Token], index: int) -> bool:
    """ "8 heures", unless an opener or a day stands beside."""
    before, behind = _at(tokens, index - 1).meaning, _at(tokens, index + 1).meaning
    return before not in {Role.OPENER, Role.UNTIL, Role.BEFORE} and not any(
        isinstance(each, Part | Days | Weekday | CalendarDay | Rhythm) for each in (before, behind)
    )


def _openers(tokens: list[Token]) -> Iterator[Token]:
    """Those right before a deadline: they go from the title with it."""
    waiting: list[Token] = []
    before = _END
    for token in tokens:
        if token.meaning in _OPENERS:
            waiting.append(token)
            continue
        if token.is_time:
            yield from (each for each in waiting if each.meaning is not Role.DASH or before.is_time)
        waiting, before = [], token


class _Deadline:
    """What the tokens of a line say together: at most one of each kind."""

    def __init__(self, tokens: list[Token], rhythm: Rhythm | None) -> None:
        self.tokens, self.rhythm = tokens, rhythm
        self.times = [token for token in tokens if token.is_time]
        self.one_of(Rhythm)
        self.clock = self.one_of(Clock)
        self.part = self.one_of(Part)
        self.span = self.one_of(Span)
        self.days = self.one_of(Days)
        self.weekday = self.one_of(Weekday)
        self.calendar_day = self.one_of(CalendarDay)

    def one_of(self, kind: type[_Kind]) -> _Kind | None:
        found = [token for token in self.times if isinstance(token.meaning, kind)]
        if found[1:]:
            raise Doubt(*found[1:])
        meaning = found[0].meaning if found else None
        return meaning if isinstance(meaning, kind) else None

    def doubt(self, *kinds: type) -> Doubt:
        """About the tokens of these kinds, else about all that speak of time."""
        found = [token for token in self.times if isinstance(token.meaning, kinds)]
        return Doubt(*(found or self.times))

    @property
    def has_day(self) -> bool:
        return bool(self.days or self.weekday or self.calendar_day)

    def wall(self, *, at: datetime, zone: ZoneInfo | None) -> datetime | None:
        if not self.times:
            return None
        self._refuse_what_openers_change()
        self._refuse_what_lies_apart()
        found = self._span_wall(at=at, zone=zone) if self.span else self._day_wall(at=at)
        if found is None:
            return None
        if found <= at or found.year > LAST_YEAR or (zone and not datetime_exists(found, zone)):
            raise self.doubt()
        return found

    def _refuse_what_openers_change(self) -> None:
        for token in _openers(self.tokens):
            is_before, is_until = (token.meaning is role for role in (Role.BEFORE, Role.UNTIL))
            if (is_before and self.clock is None) or (self.rhythm and (is_before or is_until)):
                raise Doubt(_with_what_it_spoils(self.tokens, self.tokens.index(token)))

    def _refuse_what_lies_apart(self) -> None:
        """ "Prepare Friday presentation at 5pm": whose Friday is it?"""
        together = groupby(
            (token for token in self.tokens if token.meaning not in _OPENERS),
            key=lambda token: token.is_time,
        )
        segments = [list(tokens) for is_time, tokens in together if is_time]
        if not segments[1:]:
            return
        for segment in segments:
            alone = [token for token in segment if isinstance(token.meaning, Part)]
            if len(alone) == len(segment) and not (self.clock and self.clock.sure is Sure.FIXED):
                raise Doubt(*alone)
            last = segment[-1]
            if isinstance(last.meaning, Weekday) and last.meaning.is_english:
                self._refuse_an_attribute(segment)

    def _refuse_an_attribute(self, segment: list[Token]) -> None:
        first, last = (self.tokens.index(token) for token in (segment[0], segment[-1]))
        opened = _at(self.tokens, first - 1).meaning in {Role.OPENER, Role.UNTIL}
        is_joined = _at(self.tokens, last + 1).text in {*_CONNECTED, _END.text}
        if first and not opened and not is_joined:
            raise Doubt(*segment)

    def _span_wall(self, *, at: datetime, zone: ZoneInfo | None) -> datetime:
        span = self.span
        if span is None or self.has_day or self.part or self.rhythm:
            raise self.doubt(Span)
        if span.minutes:
            if self.clock or span.days or span.months:
                raise self.doubt(Span)
            return _minutes_later(at, span.minutes, zone=zone)
        try:
            day = at.date() + relativedelta(months=span.months, days=span.days)
        except (OverflowError, ValueError):
            raise self.doubt(Span) from None
        if self.clock:
            return datetime.combine(day, self._time_of_day(self.clock))
        return _full_minute(datetime.combine(day, at.time()))

    def _day_wall(self, *, at: datetime) -> datetime | None:
        clock = self._time_of_day(self.clock) if self.clock else None
        if self.part and self.part.is_today and not self.has_day:
            self.days = Days(count=0)
        if not self.has_day:
            return self._next_wall(clock, at=at)
        day = self._day(clock, at=at)
        self._refuse_another_day(day, at=at)
        if clock is not None:
            return datetime.combine(day, clock)
        until = datetime.combine(day, _UNTIL[self.part.name] if self.part else END_OF_DAY)
        if until <= at and self.part and self.part.name == "evening":
            until = datetime.combine(day, END_OF_DAY)
        return until

    def _next_wall(self, clock: time | None, *, at: datetime) -> datetime | None:
        """Without a day: the next such time, or the rhythm's."""
        if self.rhythm:
            return self._first_of_rhythm(clock, at=at)
        if clock is None:
            raise self.doubt(Part)
        wall = datetime.combine(at.date(), clock)
        if wall > at:
            return wall
        # "At 9" at ten o'clock: tonight, or tomorrow?
        if self.clock and self.clock.is_bare and not self.part:
            raise self.doubt(Clock)
        return wall + timedelta(days=1)

    def _first_of_rhythm(self, clock: time | None, *, at: datetime) -> datetime | None:
        rhythm = self.rhythm
        if rhythm is None or (
            rhythm.repeat in {"weekly", "monthly"}
            and rhythm.weekday is None
            and rhythm.day_of_month is None
        ):
            return None
        of_part = _UNTIL[self.part.name] if self.part else END_OF_DAY
        begin = date(at.year, 1, rhythm.day_of_month or 1)
        if rhythm.weekday is not None:
            begin += timedelta(days=(rhythm.weekday - begin.weekday()) % 7)
        series = datetime.combine(begin, clock or of_part)
        day = rhythm.day_of_month
        # The first in a month that has this day: the series will hang on it.
        walls = walls_after(at, repeat=rhythm.repeat, series=series)
        return next((wall for wall in walls if day is None or wall.day == day), None)

    def _time_of_day(self, clock: Clock) -> time:
        hour, part = clock.hour, self.part
        if part is None:
            evening = any(token.text in _EVENING_WORDS for token in self.tokens)
            if clock.sure is Sure.VAGUE or (evening and clock.sure is Sure.PLAIN and hour < NOON):
                raise self.doubt(Clock)
            return time(hour, clock.minute)
        if clock.sure is not Sure.FIXED and hour in _LATER_HOURS.get(part.name, ()):
            hour += NOON
        if hour not in _HOURS[part.name]:
            raise self.doubt(Clock, Part)
        return time(hour, clock.minute)

    def _day(self, clock: time | None, *, at: datetime) -> date:
        try:
            if self.calendar_day:
                return self._calendar_date(self.calendar_day, at=at)
            if self.days:
                return at.date() + timedelta(days=self.days.count)
            if self.weekday:
                return self._weekday_date(self.weekday, clock, at=at)
        except OverflowError:
            pass
        raise self.doubt(Days, Weekday, CalendarDay)

    def _weekday_date(self, weekday: Weekday, clock: time | None, *, at: datetime) -> date:
        """Of today's name it is in a week if today's time has passed; else nobody knows."""
        ahead = (weekday.number - at.weekday()) % 7
        today = at.date()
        if ahead == 0 and not weekday.is_this:
            is_still_today = clock is None or datetime.combine(today, clock) > at
            if is_still_today and not weekday.is_next:
                if self.rhythm is None:
                    raise self.doubt(Weekday)
            else:
                ahead = 7
        return today + timedelta(days=ahead)

    def _calendar_date(self, written: CalendarDay, *, at: datetime) -> date:
        """Without a year or a month the next one that has this day."""
        found = next(_dates_of(written, since=at.date()), None)
        if found is None or (
            # "20 November" on the 24th: a slip, or next year's, which nobody wrote?
            written.year is None and found - at.date() > _SOON
        ):
            raise self.doubt(CalendarDay)
        return found

    def _refuse_another_day(self, day: date, *, at: datetime) -> None:
        """What else is said of the day must agree with it."""
        rhythm = self.rhythm
        weekdays = [each.weekday for each in (self.calendar_day, rhythm) if each]
        if self.weekday:
            weekdays.append(self.weekday.number)
        if self.days and (day - at.date()).days != self.days.count:
            raise self.doubt(Days, CalendarDay, Weekday)
        if any(number not in {None, day.weekday()} for number in weekdays) or (
            self.part and self.part.is_today and day != at.date()
        ):
            raise self.doubt(Days, CalendarDay, Weekday, Part)
        if rhythm and (
            (rhythm.repeat == "weekdays" and day.weekday() >= SATURDAY)
            or (rhythm.day_of_month is not None and rhythm.day_of_month != day.day)
        ):
            raise self.doubt(Days, CalendarDay, Weekday)


def _dates_of(written: CalendarDay, *, since: date) -> Iterator[date]:
    years = range(since.year, since.year + _MOST_YEARS + 1)
    for year in years if written.year is None else (written.year,):
        for month in range(1, 13) if written.month is None else (written.month,):
            if 1 <= year <= LAST_YEAR and written.day <= monthrange(year, month)[1]:
                found = date(year, month, written.day)
                if found >= since:
                    yield found


def _minutes_later(at: datetime, minutes: int, *, zone: ZoneInfo | None) -> datetime:
    """Over a change of the clocks too: two hours are two hours."""
    span = timedelta(minutes=minutes)
    if zone is None:
        return _full_minute(at + span)
    later = (at.replace(tzinfo=zone).astimezone(UTC) + span).astimezone(zone)
    return _full_minute(later.replace(tzinfo=None))


def _full_minute(wall: datetime) -> datetime:
    """Never earlier than was said: the form shows minutes."""
    whole = wall.replace(second=0, microsecond=0)
    return whole if whole == wall else whole + timedelta(minutes=1)
