"""When a line of French or English says: its phrases become one deadline, or a question. Pure.

Every word that speaks of time must be understood, and all of them together must name one deadline
that is still to come. Else nothing is read: nobody's deadline is a guess.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta
from dateutil.rrule import rrulestr
from dateutil.tz import datetime_exists

from agenda.clock import LAST_INSTANT
from agenda.quick_add.grammar import (
    DAY_CODES,
    HOURS,
    LAST_DAY,
    MARK,
    NOON,
    UNSAID,
    clock_of,
    is_monthday,
    phrases_of,
)
from agenda.quick_add.words import END, STRONG, Said, Token, kinds, respelt, tokens_of

# What makes a time or a day one of two.
_DOUBTFUL = kinds("vague bare plain worded slashed habit asked")
END_OF_DAY = time(23, 59)
# Without a year a day that has just passed is not the next one.
_SOON = timedelta(days=300)
# Of the morning, the afternoon, the evening, the night: until when each lasts; the hours that may
# be said of it.
_UNTIL = (time(12), time(18), time(20), END_OF_DAY)
_HOURS = (HOURS[:12], HOURS[12:20], HOURS[17:], HOURS[20:])
# "Dinner 8 tomorrow", "alarm 6:30": not for what is left of today.
_MORNING_WORDS = {"reveil", "alarm", "alarme", "wake", "lever", "breakfast"}
_EVENING_WORDS = {"diner", "dinner", "supper", "apero", "souper", "drinks", "party", "concert"}
_EVENING_WORDS |= {"night", "cinema", "cine", "gig", "pub", "opera", "theatre", "doors"}
# "Pay Tom 12.50 tomorrow".
_AMOUNTS = {"pay", "buy", "owe", "refund", "rent", "price", "cost", "budget", "payer", "acheter"}
_AMOUNTS |= {"rembourser", "virement", "transfer", "prix", "loyer", "facture", "invoice", "bill"}
# A version, too.
_AMOUNTS |= {"update", "upgrade", "install", "installer", "maj", "chacun"}
_AMOUNTS |= {"venmo", "paypal", "lydia", "retirer", "withdraw", "dois", "donner", "give"}
_GLUE = kinds("AT A BY THE ON EN TO AND DASH TILL BEFORE LATEST START")
_OPENERS = kinds("AT A BY THE ON TO TILL BEFORE DASH DICI LATEST START")
# Speak of time beside a phrase of time, or beside a number.
_WEAK = kinds("SHORT MONTH HALF QUARTER PAST MAYBE EARLY MID LATE TARD STRETCH DAYS YEARS NEXT END")
_WEAK |= {"WEEKENDS"}
_MEASURES = kinds("MIN DAYS YEARS AMPM HALF QUARTER PAST MONTH SHORT")
# Before a deadline these make something else of it.
_SPOILERS = kinds("SPOIL START OR AFTER FROM DE OF BETWEEN")
_UNTIL_WORDS = kinds("BY BEFORE TILL DICI")
# Where one of these is in doubt, what is left may be what was meant.
_ASIDE = kinds("NUMBER LARGE COUNT DE OF START MONTHS WEEKS MIN")
# Which are words of French too.
_WORDS_TOO = {"mon", "mer", "jeu"}
_MEALS = {"lunch", "breakfast", "dinner", "diner", "dejeuner", "manger"}
_DAILY = {"AFTER": _MEALS | {"work", "school"}, "BEFORE": _MEALS | {"work", "school"}}
_DAILY |= {"AT": _MEALS, "BY": _MEALS}
_FLAGS = kinds("range today of_clock vague bare plain worded slashed habit asked attribute next")
_FLAGS |= kinds("dotted before morning")


class Doubt(Exception):
    """The line speaks of time, and these tokens of it are not understood."""

    def __init__(self, *tokens: Token) -> None:
        self.tokens = tokens


class Contradiction(Doubt):
    """One of these tokens or the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`wall` is on the wall clock (naive), of a range its end; None where the line does not say
    when, or says one of `options`. `rule` is how often, as RFC 5545 writes it. The indexes are
    those of the words that say the deadline, the rule, and those that make it a question.
    """

    wall: datetime | None
    is_range: bool
    options: tuple[datetime, ...]
    deadline_words: tuple[int, ...]
    rule: str
    rule_words: tuple[int, ...]
    unread: tuple[tuple[int, int], ...]


def read_deadline(
    words: list[str], *, at: datetime, language: str, zone: ZoneInfo | None = None
) -> Reading:
    """`at` is now on the user's wall clock (naive); hours from now are counted in `zone`."""
    tokens = phrases_of(tokens_of(words))
    rules = [token for token in tokens if token.rule]
    times = [token for token in tokens if token.is_time and token not in rules]
    single = [] if rules[1:] else rules
    wall, rule = None, "".join(token.rule for token in single)
    unread: tuple[tuple[int, int], ...] = ()
    options: tuple[datetime, ...] = ()
    try:
        _refuse_the_doubtful(tokens)
        if times or rules:
            wall, rule = _Deadline(tokens, language=language).read(at=at, zone=zone)
    except Doubt as doubt:
        unread = tuple(dict.fromkeys((token.first, token.last) for token in doubt.tokens))
        doubtful = set(_indexes(list(doubt.tokens)))
        right = [respelt(word) if n in doubtful else word for n, word in enumerate(words)]
        if right != words:
            again = read_deadline(right, at=at, language=language, zone=zone)
            options = (again.wall,) if again.wall else again.options
            return replace(again, wall=None, options=options, unread=unread)
        is_rest_read = not any(token.kind in {"SHORT", "MONTH", "TIME"} for token in tokens)
        if is_rest_read and all(each.is_time or each.kind in _ASIDE for each in doubt.tokens):
            options = _options(tokens, at=at, language=language, zone=zone)
    return Reading(
        wall=wall,
        is_range=any("range" in token.said for token in times),
        options=options,
        deadline_words=_indexes([*times, *_openers(tokens)]) if wall or options else (),
        rule=rule,
        rule_words=_indexes(single),
        unread=unread,
    )


def _options(
    tokens: list[Token], *, at: datetime, language: str, zone: ZoneInfo | None
) -> tuple[datetime, ...]:
    try:
        return _Deadline(tokens, language=language).options(at=at, zone=zone)
    except Contradiction as either:
        if sum(token.is_time for token in tokens) > 4:  # noqa: PLR2004 - an answer to tap for each
            return ()
        rest = [[token for token in tokens if token is not one] for one in either.tokens]
        found = [_options(each, at=at, language=language, zone=zone) for each in rest]
        return tuple(sorted({wall for walls in found for wall in walls}))
    except Doubt:
        return ()


def _indexes(tokens: list[Token]) -> tuple[int, ...]:
    return tuple(index for token in tokens for index in range(token.first, token.last))


def _openers(tokens: list[Token]) -> Iterator[Token]:
    """Those right before a deadline: they go from the title with it."""
    waiting: list[Token] = []
    before = END
    for token in tokens:
        if token.kind == "LATEST" and before.is_time:
            yield token
        elif token.kind in _OPENERS:
            if token.kind == "AT":  # "turn heating on at 7am"
                waiting = [each for each in waiting if each.kind != "ON"]
            waiting.append(token)
        else:
            if token.is_time:
                yield from (each for each in waiting if each.kind != "DASH" or before.is_time)
            waiting, before = [], token


def _at(tokens: list[Token], index: int) -> Token:
    return tokens[index] if 0 <= index < len(tokens) else END


def _beside(tokens: list[Token], index: int, step: int) -> Token:
    """The next token on that side that is no glue."""
    index += step
    while _at(tokens, index).kind in _GLUE:
        index += step
    return _at(tokens, index)


def _refuse_the_doubtful(tokens: list[Token]) -> None:
    """Raise Doubt for what is not understood, or makes something else of the deadline beside it."""
    doubts = []
    for index, token in enumerate(tokens):
        if _is_doubtful(tokens, index):
            # "Ou 19h", not "ou" alone.
            is_spoiler = token.kind in _SPOILERS | {"LASTS", "BEFORE"}
            last = max(token.last, _at(tokens, index + 1).last) if is_spoiler else token.last
            doubts.append(replace(token, last=last))
    if any(token.is_time or token.kind in STRONG for token in tokens) and doubts:
        raise Doubt(*doubts)


def _is_doubtful(tokens: list[Token], index: int) -> bool:
    token, follower = tokens[index], _at(tokens, index + 1)
    before, behind = _beside(tokens, index, -1), _beside(tokens, index, 1)
    is_beside_time = before.is_time or behind.is_time
    has_day = any({"ahead", "weekday", "day"} & each.said.keys() for each in tokens)
    match token.kind:
        case _ if token.is_time:
            found = _is_part_of_a_title(tokens, index)
        case kind if kind in STRONG:  # "office hours", "mes heures"; not "in a few hours"
            label = _at(tokens, index - 1)
            is_title = token.text in {"heures", "hours"} or label.text in {"happy", "rush"}
            is_title = is_title and label.kind in {"WORD", "DE", "THE", "END", "WORKING"}
            is_age = kind == "MONTHS" and not before.is_time and follower.kind not in _UNTIL_WORDS
            is_age = is_age or (kind in {"MONTHS", "WEEKS"} and not is_beside_time)
            is_age = is_age and _is_whole(tokens)
            is_several = label.text in {"few", "quelques", "plusieurs", "several"}
            found = is_several or not (is_title or is_age)
        case "NTH" | "SCORE":
            found = is_beside_time and not _is_of_the_title(tokens, index)
        case "PART":  # "movie night friday" is a title
            is_title = token.text == "night" or _is_whole(tokens)
            is_title = is_title and behind.kind in {"DAY", "DATE"}
            found = is_beside_time and not is_title
        case "NUMBER" | "LARGE":
            found = _is_stray_number(tokens, index)
        case "COUNT" | "AN":
            is_behind = before.is_time and _at(tokens, index - 1).kind in {"CLOCK", "EN"}
            found = follower.kind == "DAY" or is_behind
        case "LASTS":
            found = bool({"plain", "worded"} & follower.said.keys())
        case "ORDINAL" | "PASSE":  # "vendredi dernier"; "le plombier passe lundi" is a title
            found = before.is_time or (token.kind == "ORDINAL" and "weekday" in behind.said)
        case "HOLIDAY":  # "before christmas"; "cadeau de noël demain" is a title
            is_said = _at(tokens, index - 1).kind in _GLUE and follower.kind not in _UNTIL_WORDS
            found = not has_day or is_said
        case "SHORT" | "PERSON" | "EVE":  # "sam 10h", "tom 9am"; "Sam demain" is a person
            is_first = index == 0 and token.text != "mon" and follower.kind != "DE"
            is_day = token.kind == "SHORT" and (is_first or token.text not in _WORDS_TOO)
            is_one_of_two = is_day and any("weekday" in each.said for each in tokens)
            is_one_of_two |= token.kind == "SHORT" and "weekday" in before.said | behind.said
            found = is_one_of_two if has_day else is_beside_time or is_day
        case kind if kind in _SPOILERS | {"AT", "BY", "BEFORE"}:
            found = _is_of_another(tokens, index)
        case kind:
            # "Notes de mars avant le 5".
            is_of_month = kind == "MONTH" and _at(tokens, index - 1).kind == "DE"
            is_of_month = is_of_month and follower.kind in _UNTIL_WORDS
            is_measure = kind in _MEASURES and "NUMBER" in {before.kind, behind.kind}
            found = is_measure or (kind in _WEAK and is_beside_time and not is_of_month)
    return found


def _is_part_of_a_title(tokens: list[Token], index: int) -> bool:
    """ "Friday presentation", "the 9am of monday"; or one word that says more than a time."""
    token, label, follower = tokens[index], _at(tokens, index - 1), _at(tokens, index + 1)
    is_cut = any(
        not side.is_time  # of "demain18h" both say when
        and side.kind != "AT"
        and side.last > token.first
        and side.first < token.last
        for side in (label, follower)
    )
    is_of = token.kind == "CLOCK" and follower.kind in {"DE", "OF", "A"}
    is_opened = label.kind in _OPENERS | {"CLOCK"}
    is_for = label.text == "for" and follower.kind in {"WORD", "LABEL"}  # "for dec 3 meeting"
    is_for = is_for and token.kind in {"DAY", "DATE"}
    is_price = "dotted" in token.said and any(each.text in _AMOUNTS for each in tokens)
    return is_cut or is_of or is_for or is_price or ("attribute" in token.said and not is_opened)


def _is_of_another(tokens: list[Token], index: int) -> bool:
    """Whether the time beside this word is made that of something else by it."""
    kind, follower = tokens[index].kind, _at(tokens, index + 1)
    before, behind = _beside(tokens, index, -1), _beside(tokens, index, 1)
    if kind == "START" and behind.said and any(each.rule for each in tokens):
        return False  # "every 6 months starting january 4"
    if behind.text in _DAILY.get(kind, ()) and tokens[index].text not in {"for", "pour", "due"}:
        return True
    is_last = _at(tokens, index - 1).is_time and not behind.is_time
    if is_last and kind in {"OR", "AFTER", "BEFORE"}:
        return True  # "samedi après le marché", "in an hour or so"
    is_beside = before.is_time and follower.kind in {"NUMBER", "COUNT", "MONTH"}
    return kind in _SPOILERS and (behind.is_time or is_beside)


def _is_of_the_title(tokens: list[Token], index: int) -> bool:
    """ "2nd floor", "her 80th sunday noon"; "verbs 1-30 by friday", "release 2.1 friday 5pm"."""
    follower = _at(tokens, index + 1).kind
    if tokens[index].kind == "NTH":
        return follower in {"WORD", "LABEL"} or not is_monthday(_at(tokens, index - 1).value)
    return follower in _UNTIL_WORDS or _is_whole(tokens)


def _is_whole(tokens: list[Token]) -> bool:
    """Whether both a day and a time are said: no other number is one of them."""
    said = {name for token in tokens for name in token.said}
    return "hour" in said and bool(said & {"day", "weekday", "ahead"})


def _is_stray_number(tokens: list[Token], index: int) -> bool:
    """A number right behind a deadline, or before one as its hour might stand there."""
    behind, label = _beside(tokens, index, 1), _at(tokens, index - 1)
    follower = _at(tokens, index + 1)
    is_whole = _is_whole(tokens)
    if follower.kind == "NTH" and _at(tokens, index + 2).kind in {"WORD", "LABEL"}:
        return False  # "2nd floor"
    if _beside(tokens, index, -1).is_time:
        # "Friday 8pm 4 people"
        return not (is_whole and label.is_time and follower.kind == "WORD")
    if (is_whole and follower.is_time) or {"weekend", "week", "month_end"} & behind.said.keys():
        return False
    value = tokens[index].value
    is_moment = (
        clock_of(*divmod(value, 100)) if tokens[index].kind == "LARGE" else is_monthday(value)
    )
    if not (behind.is_time and is_moment):
        return False
    if behind.kind == "CLOCK" and follower.kind not in {"DASH", "AND"}:
        is_day = follower.is_time and value > NOON and label.kind == "WORD"
        return is_day and not is_whole  # "réveillon 31 20h"
    is_of_several = follower.kind == "AND" or label.kind == "NUMBER"  # "3, 4 et 5 décembre"
    is_of_several = is_of_several and "day" in behind.said and value < behind.said["day"]
    is_title = label.kind in {"NUMBER", "LABEL", "NO"} or follower.kind in _UNTIL_WORDS
    return is_of_several or not is_title


class _Deadline:
    """What the phrases of a line say together: of each thing one."""

    def __init__(self, tokens: list[Token], *, language: str) -> None:
        self.tokens, self.language = tokens, language
        self.times = [token for token in tokens if token.is_time]
        rules = [token.rule for token in self.times if token.rule]
        if rules[1:]:
            raise Doubt(*(token for token in self.times if token.rule))
        self.rule = "".join(rules)
        until = [token for token in self.times if self.rule and self._opener(token) == "TILL"]
        self.last = self._merged(until)
        self.said = self._merged([token for token in self.times if token not in until])
        is_included = any(token.text == "inclus" for token in tokens)
        if not is_included and any(self._opener(token) == "BEFORE" for token in self.times):
            self.said["before"] = MARK

    def _opener(self, token: Token) -> str:
        index = self.tokens.index(token) - 1
        while _at(self.tokens, index).kind in {"THE", "ON", "A", "AT"}:
            index -= 1
        return "TILL" if token.text.startswith("jusqu") else _at(self.tokens, index).kind

    def _merged(self, times: list[Token]) -> Said:
        said: Said = {}
        for token in times:
            for name, value in token.said.items():
                if said.setdefault(name, value) != value and name not in _FLAGS:
                    raise Contradiction(next(each for each in times if name in each.said), token)
        return said

    def doubt(self, *names: str) -> Doubt:
        """About the phrases that say one of these, else about all."""
        found = [token for token in self.times if set(names) & token.said.keys()]
        return Doubt(*(found or self.times))

    def options(self, *, at: datetime, zone: ZoneInfo | None) -> tuple[datetime, ...]:
        """What a doubtful line can mean: either half of the day, week, or order of 5/12."""
        sure = {name: value for name, value in self.said.items() if name not in _DOUBTFUL}
        other = {name.removeprefix("or_"): sure.pop(name) for name in self.said if "or_" in name}
        is_either_week = "next" in sure or sure.get("weekday") == at.weekday()
        several: list[dict[str, int]] = [{}, other]
        if "morning" in sure:
            several = [{"morning": UNSAID, "today": MARK}, {"morning": UNSAID, "ahead": 1}]
        if "before" in sure and "part" in sure:  # "before monday morning", "before sunday evening"
            part = sure["part"]
            before_part = {"before": UNSAID, "part": part - 1} if part else {"part": UNSAID}
            several += [{"before": UNSAID}, before_part]
        if sure.get("day") == at.day:
            several += [{"today": MARK}, {"months_on": 1} if "month" not in sure else {}]
        if "slashed" in self.said:
            several.append({"day": sure["month"], "month": sure["day"]})
        if is_either_week:
            several += [{"next": 0}, {"next": 0, "later": 7}]
        if {"day", "weekday"} <= sure.keys():
            several.append({"weekday": UNSAID})
        if self.rule and not {"day", "weekday", "ahead"} & sure.keys():
            today = datetime.combine(at, time.min)
            first = islice(rrulestr(self.rule, dtstart=today), 2)
            several = [{"ahead": (day - today).days} for day in first]
        if {"vague", "bare"} & self.said.keys() or self._is_dinner() or "hour" in other:
            several += [
                each | {"hour": (sure | each)["hour"] + NOON}
                for each in several
                if "hour" in sure | each
            ]
        found: set[datetime] = set()
        # Last, without the doubt about a year that was not written.
        for years in ({}, {"year": at.year + 1}):
            for changes in several:
                said = sure | changes | years
                self.said = {name: value for name, value in said.items() if value != UNSAID}
                with suppress(Doubt, ValueError):
                    found.add(self.read(at=at, zone=zone)[0])
            if found or "month" not in sure:
                break
        return tuple(sorted(found))

    def read(self, *, at: datetime, zone: ZoneInfo | None) -> tuple[datetime, str]:
        said = self.said
        is_habit = "habit" in said and not self.rule and "day" not in said
        if is_habit or "asked" in said or ("slashed" in said and self.language == "en"):
            raise self.doubt("habit", "asked", "slashed")
        if {"minutes", "days", "months"} & said.keys():
            found = self._from_now(at=at, zone=zone)
        else:
            found = self._on_a_day(at=at)
        rule = self.rule
        if self.last:
            last = self._day(self.last, None, at=at)
            is_leap_day = last is not None and (last.month, last.day) == (2, 29)
            if last is None or is_leap_day or last < found.date():
                raise self.doubt()
            rule += f";UNTIL={last:%Y%m%d}"
        is_skipped = zone is not None and not datetime_exists(found, zone)
        if found <= at or found.year > LAST_INSTANT.year or is_skipped:
            raise self.doubt()
        return found, rule

    def _from_now(self, *, at: datetime, zone: ZoneInfo | None) -> datetime:
        said = self.said
        if self.rule or said.keys() - {"minutes", "days", "months", "hour", "minute", *_FLAGS}:
            raise self.doubt()
        if "minutes" in said:
            if said.keys() > {"minutes"}:
                raise self.doubt()
            return _minutes_later(at, said["minutes"], zone=zone)
        try:
            months, days = said.get("months", 0), said.get("days", 0)
            day = at.date() + relativedelta(months=months, days=days)
        except (OverflowError, ValueError):
            raise self.doubt() from None
        if clock := self._time_of_day():
            return datetime.combine(day, clock)
        return _full_minute(datetime.combine(day, at.time()))

    def _on_a_day(self, *, at: datetime) -> datetime:
        said = self.said
        day = self._day(said, self._time_of_day(is_day_known=False), at=at)
        clock = self._time_of_day(is_day_known=day is not None or bool(self.rule))
        part = _UNTIL[said["part"]] if "part" in said else END_OF_DAY
        if self.rule:
            return self._first_of_rule(day, clock or part, at=at)
        if day is None and clock is None and "today" in said:
            day = at.date()
        if day is None:
            return self._next(clock, at=at)
        if "before" in said and clock is None:
            if {"month_end", "year_end"} & said.keys() or said.get("day") == LAST_DAY:
                return datetime.combine(day, END_OF_DAY)
            if "part" in said or not {"day", "ahead", "weekday"} & said.keys():
                raise self.doubt()
            return datetime.combine(day - timedelta(days=1), END_OF_DAY)
        found = datetime.combine(day, clock or part)
        if found <= at and clock is None and said.get("part") == 2:  # noqa: PLR2004 - the evening
            return datetime.combine(day, END_OF_DAY)
        return found

    def _next(self, clock: time | None, *, at: datetime) -> datetime:
        """Without a day: the next such time."""
        if clock is None:
            raise self.doubt()
        found = datetime.combine(at.date(), clock)
        if "vague" in self.said and "part" not in self.said:
            # "At 3" in the morning's middle: of the two only the afternoon's is left today.
            said = next(token for token in self.times if "hour" in token.said)
            is_at = _at(self.tokens, self.tokens.index(said) - 1).kind == "AT"
            is_length = "plain" in self.said and not is_at  # "révision 2h"
            is_early = found.hour > 5 or any(t.text in _MORNING_WORDS for t in self.tokens)  # noqa: PLR2004
            if not is_length and not is_early and found <= at and at.hour < NOON:
                return found + timedelta(hours=NOON)
            raise self.doubt()
        if found > at:
            return found
        # "At 9" at ten o'clock: tonight, or tomorrow?
        if "bare" in self.said and "part" not in self.said:
            raise self.doubt()
        return found + timedelta(days=1)

    def _first_of_rule(self, day: date | None, clock: time, *, at: datetime) -> datetime:
        """On the day that is said, which must be one of the rule's; else the first to come."""
        if day is None and "BY" not in self.rule and "DAILY" not in self.rule:
            raise Doubt  # from when?
        series = rrulestr(
            _without_interval(self.rule), dtstart=datetime.combine(day or at, time.min)
        )
        for midnight in series:
            found = datetime.combine(midnight.date(), clock)
            if day and found.date() != day:
                raise self.doubt("weekday", "day", "ahead")
            if found > at or day:
                return found
        raise self.doubt()

    def _time_of_day(self, *, is_day_known: bool = True) -> time | None:
        said = self.said
        if "hour" not in said:
            return None
        hour, part = said["hour"], said.get("part")
        if part is None:
            if is_day_known and ("vague" in said or self._is_dinner()):
                raise self.doubt("hour")
            return time(hour, said["minute"])
        if hour and {"vague", "bare", "plain"} & said.keys() and hour + NOON in _HOURS[part]:
            hour += NOON
        is_night = "vague" in said and hour <= 4  # noqa: PLR2004
        is_night = is_night and not {"of_clock", "today", "morning"} & said.keys()
        if hour not in _HOURS[part] or is_night:
            raise self.doubt("hour")
        return time(hour, said["minute"])

    def _is_dinner(self) -> bool:
        """ "dîner à 8h" is no breakfast."""
        is_evening = any(token.text in _EVENING_WORDS for token in self.tokens)
        is_early = self.said.get("hour", NOON) < NOON
        return is_evening and is_early and bool({"bare", "plain"} & self.said.keys())

    def _day(self, said: Said, clock: time | None, *, at: datetime) -> date | None:
        """All that is said of the day must name the same."""
        today = at.date()
        monday = today - timedelta(days=today.weekday())
        found: set[date] = set()
        if "day" in said:
            found.add(self._calendar_date(said, today))
        if "ahead" in said:
            found.add(today + timedelta(days=said["ahead"]))
        if "weekend" in said:
            found.add(monday + timedelta(days=6 + said["weekend"]))
        if "week" in said and "weekday" not in said:
            found.add(monday + timedelta(days=6 + 7 * said["week"]))
        if "month_end" in said:
            found.add(today + relativedelta(months=said["month_end"], day=LAST_DAY))
        if "year_end" in said:
            found.add(date(today.year, 12, 31))
        if "nth" in said:
            found.add(self._nth_weekday(said, today))
        elif "weekday" in said:
            found.add(self._weekday_date(said, next(iter(found), None), clock, at=at))
        if len(found) > 1:
            raise self.doubt("day", "weekday", "ahead", "week", "weekend")
        return next(iter(found), None)

    def _weekday_date(
        self, said: Said, day: date | None, clock: time | None, *, at: datetime
    ) -> date:
        """Of today's name it is in a week if today's time has passed; else nobody knows."""
        if day is not None:
            if day.weekday() != said["weekday"]:
                raise self.doubt()
            return day
        today = at.date()
        if "week" in said:
            days = said["weekday"] - today.weekday() + 7 * said["week"]
            return today + timedelta(days=days)
        ahead = (said["weekday"] - today.weekday()) % 7
        if ahead == 1 and said.get("next"):  # "mercredi prochain" on a Tuesday
            raise self.doubt("weekday")
        if ahead == 0 and said.get("next") != 0:
            is_still_today = clock is None or datetime.combine(today, clock) > at
            if is_still_today and not said.get("next"):
                raise self.doubt()
            ahead = 7
        return today + timedelta(days=ahead + said.get("later", 0))

    def _nth_weekday(self, said: Said, today: date) -> date:
        rule = (
            f"FREQ=MONTHLY;BYMONTH={said['month']};BYDAY={said['nth']}{DAY_CODES[said['weekday']]}"
        )
        found = next(iter(rrulestr(rule, dtstart=datetime.combine(today, time.min)))).date()
        if found - today > _SOON:
            raise self.doubt()
        return found

    def _calendar_date(self, said: Said, today: date) -> date:
        """Without a year or a month the next one that has this day."""
        if "months_on" in said:
            first = today + relativedelta(months=said["months_on"])
            said = said | {"month": first.month, "year": first.year}
        found = next(_dates_of(said, since=today), None)
        if found is None or (
            # "20 November" on the 24th: a slip, or next year's, which nobody wrote? Nobody writes
            # "le 24" of today.
            ("year" not in said and found - today > _SOON)
            or (found == today and not {"month", "weekday", "today"} & said.keys())
        ):
            raise self.doubt()
        return found


def _without(said: Said, *names: str) -> Said:
    return {name: value for name, value in said.items() if name not in names}


def _without_interval(rule: str) -> str:
    return ";".join(part for part in rule.split(";") if not part.startswith("INTERVAL="))


def _dates_of(said: Said, *, since: date) -> Iterator[date]:
    years = [said["year"]] if "year" in said else (since.year, since.year + 1)
    for year in (year for year in years if year <= LAST_INSTANT.year):
        for month in [said["month"]] if "month" in said else range(1, 13):
            last = monthrange(year, month)[1]
            day = last if said["day"] == LAST_DAY else said["day"]
            if day <= last and date(year, month, day) >= since:
                yield date(year, month, day)


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
