"""The phrases of time in a line, French and English alike: tokens in, longer tokens out. Pure.

A phrase is a pattern of kinds (words.py) and what its tokens say of the deadline, as numbers:
`ahead` days from today, `weekday`, `day`, `month`, `year`, `months_on`, `week` (the end of the one
so many weeks on), `weekend` (days after this Sunday), `month_end`, `year_end`,
`hour`, `minute`, `part` of the day, or a length of `minutes`, `days`, `months` from now. `vague`
hours are one of two, `bare` ones may be; what is `asked` is a question; `or_day` is what `day` may
be instead, UNSAID if it may not be said. Or it is a rule of RFC 5545, or the value of one token.
None: it is not this phrase after all.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from itertools import count

from agenda.quick_add.words import END, Said, Token, kinds

NUMBERS = {"NUMBER", "LARGE", "COUNT", "SEPT"}
_NAMES = ("WEEKDAY", "DOTTED", "SHORT")
LAST_DAY = 99
UNSAID = -1
NOON = 12
HOURS = range(24)
# The value of what counts by its name alone, such as `vague`.
MARK = 1
DAY_CODES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_WORKDAYS = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"
_FREQS = {"DAYS": "DAILY", "WEEKS": "WEEKLY", "MONTHS": "MONTHLY"}
_FREQS |= dict.fromkeys(("YEARS", "AN"), "YEARLY")


# Said of a phrase that nobody understands for sure.
DOUBT: Said = {}
_Reading = Said | str | int | None
_Read = Callable[[list[Token], Token], _Reading]


def _values(tokens: Sequence[Token], *kinds: str) -> list[int]:
    return [token.value for token in tokens if token.kind in (kinds or NUMBERS)]


def _first(tokens: Sequence[Token], *kinds: str) -> Token:
    return next(token for token in tokens if token.kind in kinds)


def _value(tokens: Sequence[Token], *kinds: str) -> int:
    """The first; "an hour" is one."""
    return next(iter(_values(tokens, *kinds)), 1)


def _marked(said: Said, **marks: bool) -> Said:
    """And those marks that hold; a doubt remains one."""
    return said and said | {name: MARK for name, holds in marks.items() if holds}


def _has(tokens: Sequence[Token], *kinds: str) -> bool:
    return any(token.kind in kinds for token in tokens)


def _is_counted(behind: Token) -> bool:
    """Whether a number may be that of the word behind it, which is no infinitive."""
    is_word = behind.kind in {"WORD", "LABEL", "LASTS", "COUNT", "TIMES"}
    return is_word and not behind.text.endswith(("er", "ir", "re"))


def _labelled(tokens: list[Token], _behind: Token) -> _Reading:
    """ "chapitres 4 à 6", "p. 12-45"; but "TP 3 à 9" is at nine."""
    label, first, link, last = tokens
    is_several = label.text in {"p", "pp"} or label.text.endswith("s")
    is_range = is_several and first.value < last.value and link.text != "at"
    return "" if link.kind in {"DASH", "AND"} or is_range else None


def _is_plural(behind: Token) -> bool:
    return behind.text.endswith(("s", "x")) and behind.text not in _NOT_PLURAL


def _is_amount(behind: Token) -> bool:
    """ "8 personnes", "12 kg", "9 Main Street"."""
    is_of_many = _is_plural(behind) or len(behind.text) < len("pot")  # or of a unit
    return (_is_counted(behind) and is_of_many) or behind.is_name or behind.text in _PLACES


def _says(**said: int) -> _Read:
    return lambda _tokens, _behind: said


def _only(*texts: str) -> _Read:
    return lambda tokens, _behind: "" if " ".join(t.text for t in tokens) in texts else None


def _tens(tokens: list[Token], _behind: Token) -> _Reading:
    """ "vingt et un", "forty two", "twenty first"."""
    tens, more = tokens[0].value, tokens[-1].value
    return tens + more if tens in {20, 30, 40, 50} and more < 10 else None  # noqa: PLR2004


# Lengths from now.


def _length(tokens: list[Token], _behind: Token) -> _Reading:
    count = _value(tokens)
    unit = next(token for token in reversed(tokens) if token.kind in _UNIT_KINDS)
    if unit.kind == "EIGHT" or (unit.text == "jours" and count in {8, 15}):
        return _eight(max(count, unit.value))
    if _has(tokens, "DICI") and unit.kind == "H" and count < 24:  # noqa: PLR2004
        return DOUBT  # by six, or in six hours?
    if unit.kind in {"DAYS", "WEEKS", "FORTNIGHT"}:
        return {"days": count * unit.value}
    if unit.kind in {"MONTHS", "YEARS", "AN"}:
        return {"months": count * (12 if unit.kind == "AN" else unit.value)}
    return {"minutes": count * unit.value}


def _eight(days: int) -> Said:
    """In French "huit jours" are a week, "quinze jours" two, for most of those who say it."""
    return {"days": days, "or_days": days - 1, "asked": MARK}


def _hours_and_more(tokens: list[Token], _behind: Token) -> _Reading:
    """ "1h30", "two hours and 5 minutes", "une heure et demie"."""
    first, *more = _values(tokens, "HALF", "QUARTER", *NUMBERS)
    hours, minutes = (first, more[-1]) if more else (1, first)
    return {"minutes": hours * 60 + minutes}


def _hours_and_half(tokens: list[Token], _behind: Token) -> _Reading:
    return {"minutes": 60 * _value(tokens) + 30}


def _quarters(tokens: list[Token], _behind: Token) -> _Reading:
    return {"minutes": 15 * _value(tokens)}


# Times of day.


def clock_of(hour: int, minute: int) -> Said:
    return {"hour": hour, "minute": minute} if hour in HOURS and minute in range(60) else DOUBT


def _dial(hour: int, minute: int, *, vague_until: int) -> Said:
    """Up to `vague_until` nobody knows whether morning or afternoon, up to noon perhaps not."""
    said = clock_of(hour, minute)
    return _marked(said, vague=hour <= vague_until, bare=hour <= NOON) if hour else said


def _of_twelve(hour: int, minute: int, half: Token) -> Said:
    """`half` of the day, where it is said."""
    if hour > NOON:
        return DOUBT
    if half.kind == "AMPM":
        return clock_of(hour % NOON + half.value, minute)
    return _dial(hour, minute, vague_until=7)


def _heures(tokens: list[Token], behind: Token) -> _Reading:
    """ "18h", "18 h 30", "huit heures et demie", "9h moins le quart"."""
    number, unit, *rest = tokens
    *_, minute = 0, *_values(rest, "HALF", "QUARTER", *NUMBERS)
    hour = number.value
    follower, *_ = *rest, END
    if follower.kind == "NUMBER" and follower.first != unit.first and not _has(rest, "MIN"):
        if len(follower.text) == 1:
            return None  # "20h 8 personnes"
        if _is_amount(behind):
            return DOUBT  # half past, or so many of what follows?
    if _has(rest, "MOINS"):
        hour, minute = hour - 1, 60 - minute
    is_padded = number.text.startswith("0")
    return _marked(
        clock_of(hour, minute),
        vague=hour <= 5 and not is_padded,  # noqa: PLR2004
        plain=hour <= NOON and not is_padded,
        worded=unit.kind == "HEURE" and not rest,
    )


def _am_pm(tokens: list[Token], _behind: Token) -> _Reading:
    hour, minute, *_ = *_values(tokens), 0
    *_, half = tokens
    # Midnight or noon, of which day: people disagree about 12 am.
    return DOUBT if hour == NOON and not half.value else _of_twelve(hour, minute, half)


def _colon(tokens: list[Token], _behind: Token) -> Said:
    first, minute, *_ = (token for token in tokens if token.kind == "NUMBER")
    if len(minute.text) < len("00"):
        return DOUBT
    if first.text.startswith("0"):
        return clock_of(first.value, minute.value)
    is_due = (first.value, minute.value) == (11, 59)  # "due 11:59", often of the night
    return _dial(first.value, minute.value, vague_until=NOON if is_due else 6)


def _on_the_dial(tokens: list[Token], _behind: Token) -> _Reading:
    """ "half past two", "a quarter to nine pm", "ten o'clock"."""
    *_, minute, hour = 0, *_values(tokens, "HALF", "QUARTER", *NUMBERS)
    *_, half = tokens
    if minute > 30:  # noqa: PLR2004 - half an hour
        return DOUBT
    if _has(tokens, "TO"):
        hour, minute = (hour - 1 or NOON), 60 - minute
    return _of_twelve(hour, minute, half)


def _at_number(tokens: list[Token], behind: Token) -> Said | None:
    """ "at 9", "à 18": but "at 9 Main Street" is no time."""
    *openers, number = tokens
    if number.value not in HOURS:  # "verbes 1 à 30"
        return None
    if _is_counted(behind) or behind.kind in {"NUMBER", "LARGE", "DOT", "SLASH"}:
        is_place = any(each.kind == "AT" and each.text != "about" for each in openers)
        is_place = is_place and number.kind == "NUMBER"
        return DOUBT if is_place else None
    if number.text.startswith("0"):
        return clock_of(number.value, 0)
    return _dial(number.value, 0, vague_until=7)


def _by_number(tokens: list[Token], behind: Token) -> _Reading:
    """ "by 5", "before 12": but "by 3 people", "for 4" say no time."""
    opener, *_ = tokens
    if (opener.kind == "BY" and opener.text != "by") or _is_counted(behind):
        return None
    return _at_number(tokens, behind)


def _before_a_title(tokens: list[Token], behind: Token) -> _Reading:
    """ "tomorrow at 9 call Bob"; but "tomorrow at 9 Main Street" is a place."""
    if behind.is_name or _is_plural(behind) or behind.text in _PLACES:
        return DOUBT
    return _at_number(tokens, END)


def _number(tokens: list[Token], behind: Token) -> _Reading:
    """ "tonight 8", "8ish", "8 sharp", "thirteen hundred"; not "8 sharp knives"."""
    is_time = not _is_counted(behind)
    return _at_number([t for t in tokens if t.kind in {"AT", *NUMBERS}], END) if is_time else None


def _dotted(tokens: list[Token], behind: Token) -> _Reading:
    """ "meeting 14.30"; but 2.1 is a version, "12.50 euros" a price."""
    opener, *_, minute = tokens
    if opener.kind == "AT":
        return _colon(tokens, behind)
    if opener.kind == "BY" and opener.text != "by":
        return None
    if len(minute.text) < len("05") or minute.value % 5 or _is_amount(behind):
        return None
    return _marked(_colon(tokens, behind), dotted=True) or None


def _half(tokens: list[Token], _behind: Token) -> _Reading:
    """ "half eight": 8:30 in Britain, and 7:30 to many who learned English elsewhere."""
    *_, half, number = tokens
    hour = number.value
    if half.text != "half" or hour > NOON:
        return None
    return clock_of(hour, 30) | {"or_hour": hour - 1 or NOON, "asked": MARK}


def _first_thing(tokens: list[Token], _behind: Token) -> _Reading:
    *_, ordinal, _thing = tokens
    return {"hour": 9, "minute": 0} if ordinal.value == 1 else DOUBT


def _four_digits(tokens: list[Token], behind: Token) -> _Reading:
    """ "at 0930"."""
    *openers, number = tokens
    hour, minute = divmod(number.value, 100)
    is_year = hour in {19, 20}
    if len(number.text) < len("0930") or (is_year and not openers) or _is_amount(behind):
        return DOUBT
    return _marked(clock_of(hour, minute), dotted=not openers, asked=is_year)


def _in_words(tokens: list[Token], _behind: Token) -> _Reading:
    """ "at seven thirty", "six fifteen pm"."""
    hour, minute = _values(tokens, "COUNT")
    *_, half = tokens
    return _of_twelve(hour, minute, half) if minute >= 10 else DOUBT  # noqa: PLR2004


def _noon(tokens: list[Token], _behind: Token) -> _Reading:
    first, *rest = tokens
    if first.kind == "NUMBER" and first.value != NOON:  # "Lab 3 noon"
        return None
    *_, minute = 0, *_values(rest, "HALF", "QUARTER", *NUMBERS)
    return clock_of(NOON - 1, 60 - minute) if _has(rest, "MOINS") else clock_of(NOON, minute)


def _lunchtime(tokens: list[Token], _behind: Token) -> _Reading:
    """ "entre midi et deux"."""
    *_, end = tokens
    return clock_of(NOON + end.value, 0) | {"range": MARK} if end.value in {1, 2} else DOUBT


# Days.


def _date(day: int, month: int, year: int | None = None) -> Said:
    if year is not None and year < 100:  # noqa: PLR2004 - two digits
        year += 2000
    try:
        date(year or 2000, month, day)  # a leap year
    except ValueError:
        return DOUBT
    return {"day": day, "month": month} | ({} if year is None else {"year": year})


def _named(said: Said, tokens: list[Token]) -> Said:
    """And the weekday beside the date."""
    is_named = said and _has(tokens, *_NAMES)
    return said | {"weekday": _value(tokens, *_NAMES)} if is_named else said


def is_monthday(number: int) -> bool:
    return 1 <= number <= 31  # noqa: PLR2004 - a calendar's


def _numeric(tokens: list[Token], _behind: Token) -> _Reading:
    """ "12/03", "le 12.03", "12/03/2027", "2026-12-01"."""
    day, month, year, *_ = *_values(tokens), None
    if tokens[0].kind == "LARGE":
        return _date(year, month, day)
    is_named = _has(tokens, "THE", "ON", *_NAMES)
    if year is None and not is_named and (f"{day}/{month}" in _NO_DATES or day == month):
        return DOUBT
    is_slashed = _has(tokens, "SLASH")
    if is_slashed and day <= NOON < month:  # "12/31" can be no other day; or a mark
        return _marked(_named(_date(month, day, year), tokens), asked=True)
    is_american_too = is_slashed and not _has(tokens, "THE") and month != day <= NOON
    return _marked(_named(_date(day, month, year), tokens), slashed=is_american_too)


def _day_of_month(tokens: list[Token], behind: Token) -> Said:
    """ "5 janvier 2027", "December 5th"; "may 5 people" is none."""
    month = _first(tokens, "MONTH")
    day = _first(tokens, "NUMBER", "COUNT", "ORDINAL")
    *_, last = tokens
    is_counted = behind.kind in {"WORD", "LABEL"} and last.kind in {"NUMBER", "ORDINAL"}
    if day.kind == "ORDINAL" and 1 < day.value < 5 and not _has(tokens, "OF"):  # noqa: PLR2004
        return DOUBT  # "second march for peace"
    found = _date(day.value, month.value, next(iter(_values(tokens, "LARGE")), None))
    is_asked = is_counted and month.text in {"may", "march", "mars"}
    return _marked(_named(found, tokens), asked=is_asked)


def _nth(tokens: list[Token], behind: Token) -> Said | None:
    """ "le 20", "on the 1st": the next such day. "Le 14 pages" is none."""
    day = _value(tokens, "ORDINAL", *NUMBERS)
    found = {"day": day} if is_monthday(day) else DOUBT
    opener, *_, last = tokens
    if last.kind == "COUNT" and opener.text != "le":
        return None  # "les deux à 18h"
    if not _is_counted(behind):
        return found
    if found and opener.text == "on" and behind.kind == "WORD":
        return {**found, "asked": MARK}  # "on the 28th rent", "on the 2nd shelf"
    return None if opener.text == "les" else DOUBT  # "les 21 copies"


def _weekday_nth(tokens: list[Token], behind: Token) -> _Reading:
    """ "vendredi 5", "friday the 5th"; "friday 5" may be five o'clock, "lundi 8" eight."""
    name, day = _first(tokens, *_NAMES), _value(tokens)
    is_french = name.text.endswith(("di", "he", ".")) or name.text in {"lun", "ven", "merc"}
    is_sure = is_french or _has(tokens, "NTH", "THE", "ON") or behind.kind in _CLOCK_BEGINS
    if behind.kind == "NOON" and day == NOON:  # "friday, 12 noon"
        return {"weekday": name.value, "hour": NOON, "minute": 0}
    is_sure = is_sure or day not in HOURS
    if not (found := _nth(tokens, END)):
        return DOUBT
    found["weekday"] = name.value
    if not _has(tokens, "NTH") and _is_plural(behind):
        found["asked"] = MARK  # "vendredi 27 personnes"
    elif not _has(tokens, "NTH") and behind.kind not in _CLOCK_BEGINS:
        found |= {"or_hour": day, "or_minute": 0, "or_day": UNSAID}
    return _marked(found, asked=not is_sure)


def _weekday(tokens: list[Token], behind: Token) -> _Reading:
    name = _first(tokens, *_NAMES)
    said = {"weekday": name.value}
    if _has(tokens, "WEEKS"):
        said["week"] = max(_values(tokens, "NEXT", "THIS"))
    elif _has(tokens, "EN"):
        later = _LATER.get(_value(tokens))
        return said | {"later": later} if later else DOUBT
    elif _has(tokens, "NEXT", "THIS"):
        said["next"] = max(_values(tokens, "NEXT", "THIS"))
    elif _has(tokens, "THE"):
        said["habit"] = MARK
    elif name.text == "sam" and name.is_name:  # or a person
        said["asked"] = MARK
    elif name.text.endswith("day") and behind.kind in {"WORD", "LABEL"} and name.first > 0:
        said["attribute"] = MARK
    return said


def _by_short(tokens: list[Token], behind: Token) -> _Reading:
    """ "before sat", "by mon"; "pour sam" is for someone."""
    opener, *_ = tokens
    is_for_someone = opener.kind == "BY" and opener.text not in {"by", "due"}
    return None if is_for_someone else _weekday(tokens, behind)


def _weeks_from(tokens: list[Token], _behind: Token) -> _Reading:
    """ "A week from friday", "two weeks from today", "friday week"; "vendredi semaine" is none."""
    *_, last = tokens
    if last.text == "semaine":
        return None
    day = _first(tokens, "TODAY", "WEEKDAY")
    later = 7 * _value(tokens)
    if day.kind == "TODAY":
        return {"ahead": day.value + later}
    return {"weekday": day.value, "later": later}


def _days_from(tokens: list[Token], _behind: Token) -> _Reading:
    return {"ahead": _value(tokens) + _value(tokens, "TODAY")}


def _today_in(tokens: list[Token], _behind: Token) -> _Reading:
    """ "d'aujourd'hui en huit", "demain en quinze"."""
    later = _LATER.get(_value(tokens))
    return {"ahead": _value(tokens, "TODAY") + later} if later else DOUBT


def _last_day(tokens: list[Token], _behind: Token) -> _Reading:
    return {"month_end": 0} if _values(tokens, "ORDINAL") == [-1] else DOUBT


def _weekday_range(tokens: list[Token], _behind: Token) -> _Reading:
    first, last = _values(tokens, "WEEKDAY", "SHORT")
    if (first, last) == (0, 4):
        return _WORKDAYS
    return {"weekday": last, "range": MARK} if first < last else DOUBT


def _day_of_next_month(tokens: list[Token], _behind: Token) -> _Reading:
    found = _nth(tokens, END)
    return found and found | {"months_on": 1}


def _holiday(tokens: list[Token], behind: Token) -> _Reading:
    """ "before christmas"; but "for christmas dinner" says no day."""
    (name,) = tokens
    day, month = divmod(name.value, 100)
    return DOUBT if behind.kind in {"WORD", "LABEL"} else _date(day, month)


def _nth_of_month(tokens: list[Token], _behind: Token) -> _Reading:
    """ "le premier lundi de janvier"."""
    nth, day = _value(tokens, "ORDINAL", "NUMBER"), _value(tokens, "WEEKDAY")
    if not nth or nth > 5:  # noqa: PLR2004 - no month has a sixth one
        return DOUBT
    return {"nth": nth, "weekday": day, "month": _value(tokens, "MONTH")}


def _early(tokens: list[Token], _behind: Token) -> _Reading:
    """ "début mars", "mid-march", "late march"."""
    found: Said = {"month": _value(tokens, "MONTH"), "asked": MARK}
    if _has(tokens, "EARLY"):
        return found | {"day": 1, "or_day": 10}
    return found | {"day": 15 if _has(tokens, "MID") else LAST_DAY}


def _early_part(tokens: list[Token], _behind: Token) -> _Reading:
    *_, name = tokens
    part = name.value
    if name.text == "journee":
        return DOUBT
    if _has(tokens, "LATE"):
        return {"part": part, "today": MARK} if part < 2 else DOUBT  # noqa: PLR2004 - the evening
    other = {"or_hour": (9, 14, 18, 21)[part], "or_minute": 0}
    return {"part": part, "today": MARK, **other, "asked": MARK}


def _end_of_month(tokens: list[Token], _behind: Token) -> _Reading:
    return {"day": LAST_DAY, "month": _value(tokens, "MONTH")}


def _part(tokens: list[Token], _behind: Token) -> _Reading:
    part = _first(tokens, "PART", "STRETCH", "TONIGHT")
    said = {"part": part.value}
    if part.text == "journee":
        said = {"hour": 23, "minute": 59}
    opener, *_ = tokens
    if opener.kind in {"THIS", "TONIGHT"}:
        said["ahead"] = 0
    elif opener.text == "in" and part.text == "morning":
        said["morning"] = MARK  # of tomorrow, mostly
    elif _has(tokens, "END", "IN", "EN"):
        said["today"] = MARK
    elif opener.kind == "DE":
        said["of_clock"] = MARK
    return said


def _part_of_day(tokens: list[Token], behind: Token) -> _Reading:
    """ "thursday night"; "thursday nights" is more than one."""
    (part,) = tokens
    return DOUBT if part.text.endswith("s") else _part(tokens, behind)


# Repeats.


def _repeats(rule: str) -> _Read:
    return lambda _tokens, _behind: rule


def _rule(freq: str, *, interval: int = 1, **by: str) -> str:
    parts = [f"FREQ={freq}", *([f"INTERVAL={interval}"] if interval != 1 else [])]
    return ";".join([*parts, *(f"{name.upper()}={value}" for name, value in by.items())])


def _on_weekdays(tokens: list[Token], _behind: Token) -> _Reading:
    """ "tous les lundis et jeudis", "every other monday", "un lundi sur deux", "mon wed fri"."""
    days = sorted(set(_values(tokens, "WEEKDAY", "WEEKDAYS", "SHORT", "DOTTED")))
    count, *_ = tokens
    if count.kind in _NAMES:
        is_in_a_row = max(days) - min(days) < len(days) < 5  # noqa: PLR2004 - a festival; or the workdays
        if not days[2:] or is_in_a_row:
            return DOUBT if days[2:] or _has(tokens, "SLASH") else None
    interval = _value(tokens, "OTHER")
    if _has(tokens, "SUR"):
        *_, last = tokens
        if count.value != 1:
            return DOUBT
        interval = last.value
    return _rule("WEEKLY", interval=interval, byday=",".join(DAY_CODES[day] for day in days))


def _each(tokens: list[Token], _behind: Token) -> _Reading:
    """ "tous les 2 jours", "every other week", "une semaine sur deux", "chaque année"."""
    unit = next(token for token in reversed(tokens) if token.kind in _FREQS)
    *_, interval = 1, *_values(tokens, "OTHER", *NUMBERS)
    count, *_ = tokens
    if _has(tokens, "SUR") and count.value != 1:
        return DOUBT
    if unit.text == "jours" and interval in _LATER:
        return _rule("WEEKLY", interval=2) if interval == max(_LATER) else DOUBT
    return _rule(_FREQS[unit.kind], interval=interval) if interval else DOUBT


def _each_nth(tokens: list[Token], _behind: Token) -> _Reading:
    day = _value(tokens, "NUMBER", "ORDINAL")
    return _rule("MONTHLY", bymonthday=str(day)) if is_monthday(day) else DOUBT


def _nth_weekday(tokens: list[Token], _behind: Token) -> _Reading:
    nth, day = _value(tokens, "ORDINAL", "NUMBER"), _value(tokens, "WEEKDAY", "WEEKDAYS")
    # "Every second monday": of the month, or every other one?
    if not nth or nth > 4 or (nth not in {1, -1} and not _has(tokens, "MONTHS")):  # noqa: PLR2004
        return DOUBT
    return _rule("MONTHLY", byday=f"{nth}{DAY_CODES[day]}")


def _each_date(tokens: list[Token], behind: Token) -> _Reading:
    found = _day_of_month(tokens, behind)
    if not found:
        return DOUBT
    return _rule("YEARLY", bymonth=str(found["month"]), bymonthday=str(found["day"]))


def _adverb(tokens: list[Token], _behind: Token) -> _Reading:
    (adverb,) = tokens
    return _rule(("DAILY", "WEEKLY", "MONTHLY", "YEARLY")[adverb.value])


# Ranges: the deadline is their end.


def _until_number(tokens: list[Token], behind: Token) -> Said | None:
    """ "friday 9-11", "12-1 friday"; but "friday 3-5 pages"."""
    *_, last = tokens
    if _is_amount(behind) or last.value not in HOURS:
        return None
    return _until_clock(tokens, behind)


def _before_a_day(tokens: list[Token], behind: Token) -> _Reading:
    found = _until_number(tokens, behind)
    return {**found, "asked": MARK} if found else None


def _until_clock(tokens: list[Token], _behind: Token) -> Said:
    sides = (token for token in tokens if token.kind in {"CLOCK", "NUMBER"})
    first, last = (side.said or _at_number([side], END) or DOUBT for side in sides)
    if not (first and last):
        return DOUBT
    begin, end = ((side["hour"], side["minute"]) for side in (first, last))
    if begin < end:
        return {**last, "range": MARK}
    later = last | {"hour": last["hour"] + NOON}
    if begin == end or begin >= (later["hour"], later["minute"]) or first["hour"] > NOON:
        return DOUBT
    if first["hour"] >= 11:  # noqa: PLR2004 - "12-1"; "9-1" may be a day's or a night's
        return {"hour": later["hour"], "minute": later["minute"], "range": MARK}
    return {**last, "vague": MARK, "range": MARK}


def _until_nth(tokens: list[Token], behind: Token) -> _Reading:
    """ "du 28 au 30"."""
    opener, *_ = tokens
    first, last = _values(tokens)
    if opener.text != "du" or _is_counted(behind):
        return None
    return {"day": last, "range": MARK} if first < last and is_monthday(last) else DOUBT


def _until_date(tokens: list[Token], _behind: Token) -> _Reading:
    *_, last = (token for token in tokens if token.kind != "NTH")
    if last.kind != "NUMBER":
        return {**last.said, "range": MARK}
    first = _first(tokens, "DATE").said
    is_later = first.get("day", last.value) < last.value and is_monthday(last.value)
    return {**first, "day": last.value, "range": MARK} if is_later else DOUBT


_PLACES = {"people", "street", "rue", "avenue", "place", "boulevard", "bd", "impasse", "route"}
# "Vendredi en quinze" is so many days later, "tous les quinze jours" every two weeks.
_LATER = {8: 7, 15: 14}
# A half, a mark, always.
_NO_DATES = kinds("1/2 1/3 2/3 1/4 3/4 1/5 1/10 24/7")
_CLOCK_BEGINS = kinds("NUMBER AT TO PART")
_NOT_PLURAL = {"cours", "repas", "bus", "devis", "colis", "puis", "mes", "ses", "nos", "rdvs"}
_UNIT_KINDS = kinds("MIN H HEURE HOUR DAYS WEEKS FORTNIGHT MONTHS YEARS AN EIGHT")
_MACROS = {
    "NUM": "(NUMBER|COUNT|SEPT)",
    "ANY": "(NUMBER|LARGE|COUNT|SEPT|A|AN)",
    "HOURS": "(H|HEURE|HOUR)",
    "UNIT": "(MIN|H|HEURE|HOUR|DAYS|WEEKS|FORTNIGHT|MONTHS|YEARS|AN)",
    "TURN": "(DAYS|WEEKS|MONTHS|YEARS|AN)",
    "NAMED": "(WEEKDAY|WEEKDAYS|DOTTED)",
    "ART": "(THE|ON)*",
    "DU": "(DE|OF)",
    "NOTCLOCK": "(?!UNIT|COLON|AMPM|OCLOCK|DOT|SLASH|SHARP|COUNT HEURE)",
    # Right behind these a number may be a clock's.
    "DOTTEDCLOCK": "NUMBER DOT NUMBER NOTCLOCK (?!MONTH)",
    "DAYISH": "TODAY|WEEKDAY|WORKDAY|DOTTED|SHORT|MONTH|NTH|PART|TONIGHT",
    # "Le 06 12 34 56 78".
    "NOTPHONE": "(?!LARGE|NUMBER(?!HOURS|COLON|AMPM))",
    "DAYNUM": "ART NUMBER NTH?+ NOTCLOCK NOTPHONE (?!DASH NUMBER|DU? MONTH)",
    "ORD": "(ORDINAL|NUMBER NTH)",
    "NAME": "((WEEKDAY|DOTTED|SHORT) ART)?",
    "PREP": "(BEFORE|BY|AT|BETWEEN|FROM|DE)",
    "MARK": "(H|HEURE|COLON|AMPM|MONTH|DOT|SLASH)",
    "HALFDAY": "(NOON|MIDNIGHT|PART)",
    "RANGE": "NUMBER DASH NUMBER",
    "CLOCKLIKE": "PREP* (NUMBER MARK|RANGE|(AT|A) NUMBER|HALFDAY|MONTH)",
    "LABELLED": "(LABEL|NO) NUMBER (AT|A|TO|DASH|AND) NUMBER NOTCLOCK (?!DU? MONTH)",
    "NEXTWEEK": "(THE? WEEKS QUI? NEXT|NEXT WEEKS)",
    "NEXTMONTH": "(THE? MONTHS QUI? NEXT|NEXT MONTHS)",
    "ENDOF": "(EN|A|AT)? ART END DU (ON|THE|THIS)?",
    "DAYNAME": "(WEEKDAY|WEEKDAYS)",
    "THEN": "(DASH|TO|A|AT|TILL)",
}
# Words that mean one thing together: the kind and value of one token.
_WORDS: list[tuple[str, str, _Read | None]] = [
    ("PART=1", "AFTER NOON", None),
    ("TODAY=2", "(ON* DAYS)? AFTER TODAY", None),
    ("HALFHOUR=30", "(A|COUNT)? HALF (A|AN)? (HOUR|HEURE)|COUNT HALFHOUR", None),
    ("TIME=0", "AFTER NEXT|(?<=AMPM) AND $", None),
    ("TIME=0", "(END|ORDINAL DAYS) DU EVERY MONTHS|EVERY THE? END DU MONTHS", None),
    ("COUNT", "COUNT AND? (COUNT|SEPT)", _tens),
    ("COUNT", "A WORD OF", lambda t, _behind: 2 if t[1].text == "couple" else None),
    ("WORD=0", "THE COUNT", _only("le four")),
    ("ORDINAL", "COUNT ORDINAL", _tens),
    ("MONTH=3", "(?<=NUMBER|NTH) SHORT (?=LARGE)", _only("mar")),
    (
        "MONTH=9",
        "(?<=NUMBER|NTH|ORDINAL|END|EARLY|MID|LATE) SEPT (?!HOURS)|SEPT (?=NUMBER NOTCLOCK)",
        None,
    ),
    ("WEEKEND=0", "WEEKS END", None),
    (
        "LATEST=0",
        "TO PLUS TARD (THE|A|AT)?|AT ON TARD|(NO|SPOIL) TARD SPOIL|SPOIL PLUS TARD QUE",
        None,
    ),
    ("LATEST=0", "TARD", _only("latest")),
    ("LATEST=0", "ORDINAL DELAI|EVERY THE STRETCH|ALL DAYS", None),
    (
        "WORD=0",
        "(?<=WITH|ACT) (SHORT|MONTH (?!NUMBER|ORDINAL)|PERSON|EVE)|(?<=A|AT|TO|BY|DE) (PERSON|EVE)",
        None,
    ),
    (
        "TIME=0",
        "(?<=AMPM|H|NUMBER|NOON|MIDNIGHT) (ZONE|WORD WHILE)|TIMES (A|AN|EVERY)? (DAILY|DAYS|WEEKS)",
        None,
    ),
    ("TIME=0", "(?<=WEEKDAY|WEEKS|MONTHS|DAYS|YEARS|AN) DE AFTER|THE OTHER WEEKDAY", None),
    ("START=0", "(AT|A) PARTIR DU?", None),
    ("TIME=0", "(IN|DICI) ANY (DAYS WORKING|WORKING DAYS)", None),
    ("PART=2", "(?<=WEEKDAY|SHORT|TODAY|DOTTED) EVE", None),
    ("TIME=0", "NUM WEEKDAYS|(NUM|A) WEEKDAY FROM (NOW|TODAY)", None),
    ("AT=0", "TO? AROUND DE", None),
    ("TODAY=0", "THIS DAYS", None),
    ("BEFORE=0", "AV (?=TODAY|WEEKDAY|DOTTED|SHORT|THE NUMBER|NUMBER|NOON)", None),
    ("WORD=0", "LABELLED", _labelled),
    ("NEXT=1", "(?<=WEEKS|WEEKDAY|MONTHS) PRO", None),
    ("PART=0", "(?<=DE) MAT", None),
    ("BY=0", "DICI TO", None),
    ("BY=0", "LABEL (?=TODAY|WEEKDAY|DOTTED|THE|NUMBER|END)", _only("pr")),
    (
        "EVERY=0",
        "WORD (?=THE (NAMED|SHORT|PART|NOON|WEEKENDS|NUM|TURN))",
        _only("ts", "tt", "ttes"),
    ),
    ("WEEKEND=0", "(?<=THIS) WORD", _only("we")),
    ("TIME=0", "WORD WHILE", _only("same time")),
    ("COB=0", "WORD OF WORKING", _only("close of business")),
    # "Year 2 exams"; not "in a year", "next year 2 feb".
    (
        "WORD=0",
        "(?<!NUMBER|COUNT|A|AN|EVERY|THIS|NEXT|OF) YEARS NUMBER NOTCLOCK (?!NTH|DU? MONTH)",
        lambda tokens, _behind: "" if _first(tokens, "YEARS").text == "year" else None,
    ),
    ("WORD=0", "(?<=WORD|LABEL|LASTS) (A|AT)? DAYS", _only("day", "a jour")),
]
_PHRASES: list[tuple[str, str, _Read | None]] = [
    # Lengths from now.
    ("SPAN", "(IN|DICI) BY? ANY HOURS AND (A|AN|COUNT)? (HALF|QUARTER)", _hours_and_more),
    ("SPAN", "(IN|DICI) BY? ANY HOURS AND? NUM MIN?", _hours_and_more),
    ("SPAN", "(IN|DICI) ANY AND HALFHOUR", _hours_and_half),
    ("SPAN", "(IN|DICI) HALFHOUR", _says(minutes=30)),
    ("SPAN", "IN (A|COUNT)? QUARTER DU? AN? (HOUR|HEURE)", _quarters),
    ("SPAN", "(IN|DICI) BY? (THE|ON)* NEXT? ANY NEXT? UNIT (WHILE|FROM NOW)?", _length),
    ("SPAN", "ANY UNIT FROM NOW", _length),
    ("SPAN", "(IN|DICI) COUNT? EIGHT (?!DE)", _length),
    ("DAY", "(A|COUNT|NUMBER) DAYS FROM TODAY", _days_from),
    # Repeats.
    ("RULE", "EVERY (?=THE? (PART|NOON))", _repeats("FREQ=DAILY")),
    ("RULE", "(NAMED|SHORT) ((AND|DASH|SLASH)? (NAMED|SHORT))+", _on_weekdays),
    ("RULE", "(FROM|DE)? WEEKDAY (TO|DASH|A|AT) WEEKDAY", _weekday_range),
    ("RULE", "(WEEKDAY|SHORT) DASH (WEEKDAY|SHORT)", _weekday_range),
    ("RULE", "EVERY THE? (WORKDAY|DAYS WORKING|WORKING DAYS)", _repeats(_WORKDAYS)),
    ("RULE", "EN WEEKS|ON WORKDAY|WORKDAY (?=AT|NUMBER)", _repeats(_WORKDAYS)),
    (
        "RULE",
        "(THE|ON|EVERY)+ WEEKENDS|WEEKENDS (?=AT|NUMBER)",
        _repeats("FREQ=WEEKLY;BYDAY=SA,SU"),
    ),
    ("RULE", "FORTNIGHTLY (?=$|AT|ON)", _repeats("FREQ=WEEKLY;INTERVAL=2")),
    ("RULE", "(EVERY|THE|ON)* ORD DAYNAME DU (EVERY|ART) MONTHS (?!NEXT)", _nth_weekday),
    ("RULE", "EVERY THE? ORD DAYNAME", _nth_weekday),
    ("RULE", "EVERY THE? OTHER? (NAMED|SHORT) (AND? (EVERY|ART) (NAMED|SHORT))*", _on_weekdays),
    ("RULE", "COUNT DAYNAME SUR COUNT", _on_weekdays),
    # "Before thursdays seminar".
    (
        "DAY",
        "(?<=BEFORE|BY|TILL) WEEKDAYS",
        lambda tokens, _behind: {"weekday": _value(tokens, "WEEKDAYS"), "asked": MARK},
    ),
    ("RULE", "(DAILY ON*)? ART WEEKDAYS (AND? ART WEEKDAYS)*", _on_weekdays),
    ("RULE", "EVERY THE? (NUM|OTHER)? TURN|NUM TURN SUR NUM", _each),
    ("RULE", "ART (NUMBER|ORDINAL) NTH? DU? EVERY MONTHS", _each_nth),
    ("RULE", "EVERY THE? (NUMBER|ORDINAL) NTH? DU (EVERY|ART) MONTHS", _each_nth),
    ("RULE", "EVERY NUMBER NTH (?!DU? MONTH|TURN)", _each_nth),
    ("RULE", "EVERY THE? (NUMBER NTH? DU? MONTH|MONTH NUMBER NTH?) NOTCLOCK (?!TURN)", _each_date),
    ("RULE", "DAILY (?=$|AT|ON|NUMBER|NOON|MIDNIGHT|TILL)", _adverb),
    # Days.
    ("DATE", "LARGE (DASH|SLASH) NUMBER (DASH|SLASH) NUMBER", _numeric),
    ("DATE", "(THE|ON)? NUMBER DOT NUMBER DOT LARGE|NUMBER DASH NUMBER DASH LARGE", _numeric),
    ("DATE", "NAME (THE|ON)? NUMBER SLASH NUMBER (SLASH (LARGE|NUMBER))?", _numeric),
    ("DATE", "(THE|ON) NUMBER DOT NUMBER (?!DOT)", _numeric),
    ("DATE", "NAME (NUMBER|COUNT|ORDINAL) NTH? DU? MONTH (LARGE NOTCLOCK)?", _day_of_month),
    ("DATE", "NAME MONTH ON? (NUMBER NTH?|ORDINAL) NOTCLOCK (LARGE NOTCLOCK)?", _day_of_month),
    ("DATE", "ART ORD WEEKDAY DU MONTH", _nth_of_month),
    ("DATE", "NEXT? (WEEKDAY|DOTTED) DAYNUM|SHORT DAYNUM (?=TO? CLOCKLIKE)", _weekday_nth),
    (
        "DATE",
        "((THE|TILL) NUMBER NTH?+ NOTCLOCK NOTPHONE|ON+ NUMBER NTH"
        "|(THE COUNT|ON ON ORDINAL) (?=$|AT|A))(?!DU? MONTH|DU ART NEXT? MONTHS)",
        _nth,
    ),
    ("DATE", "(?<=BEFORE|BY|TILL|DICI) HOLIDAY (?!BEFORE|BY|TILL|DICI)", _holiday),
    ("DATE", "END DU? (ART MONTHS DU)? MONTH", _end_of_month),
    ("DATE", "(EARLY|MID|LATE) DASH? DU? MONTH", _early),
    ("DATE", "ART NUMBER NTH? DU ART NEXTMONTH", _day_of_next_month),
    ("DATE", "THE? NEXTMONTH (THE|ON)+ NUMBER NTH? NOTCLOCK", _day_of_next_month),
    ("DATE", "(THE|ON)+ NUMBER NTH? DU ART MONTHS (?!NEXT)", _nth),
    ("DAY", "(WEEKDAY|DOTTED) EN (COUNT|NUMBER)", _weekday),
    ("DAY", "DE? TODAY EN (COUNT|NUMBER)", _today_in),
    ("DAY", "WEEKDAY DU? (NEXTWEEK|THIS WEEKS)", _weekday),
    ("DAY", "(A|COUNT|NUMBER) WEEKS ((FROM|ON) WEEKDAY|(FROM|ON)? TODAY)", _weeks_from),
    ("DAY", "(WEEKDAY|TODAY) WEEKS (?=$|AT)", _weeks_from),
    ("DAY", "(THIS? NEXT|THIS) (WEEKDAY|SHORT)|(WEEKDAY|DOTTED) QUI? NEXT", _weekday),
    ("DAY", "THE? WEEKDAY (?!DAYNUM)|DOTTED|SHORT (?=CLOCKLIKE)", _weekday),
    ("DAY", "(?<=BEFORE|TILL|ON) SHORT (?=$)|BY SHORT (?=$)", _by_short),
    ("DAY", "TODAY", lambda tokens, _behind: {"ahead": _value(tokens, "TODAY")}),
    ("DAY", "NEXTWEEK", _says(week=1)),
    ("DAY", "THIS WEEKS", _says(week=0)),
    ("DAY", "(THIS|(AT|IN|ON|OVER|LASTS) (THE|ON)) WEEKEND", _says(weekend=0)),
    ("DAY", "NEXT WEEKEND|THE? WEEKEND QUI? NEXT", _says(weekend=0, or_weekend=7, asked=MARK)),
    ("DAY", "ENDOF NEXTWEEK", _says(weekend=7, or_weekend=5, asked=MARK)),
    ("DAY", "ENDOF WEEKS|EOW", _says(weekend=0, or_weekend=-2, asked=MARK)),
    ("DAY", "(ENDOF)? NEXTMONTH", _says(month_end=1)),
    ("DAY", "ENDOF MONTHS|THIS MONTHS|EOM", _says(month_end=0)),
    ("DAY", "ART ORDINAL DAYS DU ART MONTHS (?!NEXT)", _last_day),
    ("DAY", "(ENDOF|THIS) YEARS (?!SCHOOL)|EOY", _says(year_end=MARK)),
    ("DAY", "(IN|OVER|LASTS) (THE|ON) WEEKS (?!DE|OF)", _says(week=0)),
    # Parts of a day.
    ("PARTS", "THIS (PART|STRETCH)|TONIGHT", _part),
    ("PARTS", "ENDOF (PART|STRETCH)", _part),
    ("PARTS", "(EN|AT|A|IN)? ART (EARLY|LATE) DU? (PART|STRETCH)", _early_part),
    ("PARTS", "(DE|IN|A|AT|EN|TO) ART (PART|STRETCH)|THE PART", _part),
    ("CLOCK", "EOD|ENDOF (DAYS|(?=TODAY))", _says(hour=23, minute=59)),
    ("CLOCK", "COB (?=$|DAYISH)|ENDOF WORKING DAYS?", _says(hour=17, minute=0)),
    ("CLOCK", "(AT|A|DE)? THE? ORDINAL HEURE (?!DE)|(?<!ON) ORDINAL THING", _first_thing),
    ("CLOCK", "AT? LUNCH", _says(hour=NOON, minute=0, or_hour=13, asked=MARK)),
    ("CLOCK", "THIS NOON", _says(hour=12, minute=0, ahead=0)),
    # Times of day.
    ("TIME", "AT NUMBER TO NUM (AMPM|COLON)", None),  # a range, or "at five to six pm"
    ("CLOCK", "NUM (COLON|DOT|H) NUMBER AMPM|NUM H? AMPM", _am_pm),
    ("CLOCK", "AT? COUNT COUNT AMPM|(AT|(?<=DAYISH)) COUNT COUNT", _in_words),
    ("CLOCK", "AT? (HALF|A? QUARTER|NUM MIN?) PAST NUM (OCLOCK|AMPM)?", _on_the_dial),
    ("CLOCK", "AT? (A? QUARTER|COUNT|NUM MIN) AFTER NUM (OCLOCK|AMPM)", _on_the_dial),
    ("CLOCK", "AT? (A? QUARTER|COUNT|NUM MIN) TO NUM AMPM?|NUM OCLOCK AMPM?", _on_the_dial),
    ("CLOCK", "NUM (H|HEURE) MOINS (THE|COUNT)? (QUARTER|NUM)", _heures),
    ("CLOCK", "NUM (H|HEURE) AND (COUNT? QUARTER|HALF)", _heures),
    ("CLOCK", "NUM (H|HEURE) NUM MIN?", _heures),
    ("CLOCK", "NUM (H|HEURE)", _heures),
    ("CLOCK", "NUMBER COLON NUMBER (COLON NUMBER)?", _colon),
    ("CLOCK", "(^|AT|BY|(?<=BEFORE|TILL|DAYISH)|(?<=NUMBER DASH)) DOTTEDCLOCK", _dotted),
    ("CLOCK", "(?<=WORD) DOTTEDCLOCK (?=$|DASH|(ON|THE|BY|THIS)* (DAYISH|NUMBER NTH))", _dotted),
    ("CLOCK", "(?<=DAYISH) LARGE NOTCLOCK (?!MONTH)", _four_digits),
    ("CLOCK", "(?<=DAYISH) NUMBER DASH NUMBER NOTCLOCK (?!MONTH)", _until_number),
    ("CLOCK", "NUMBER DASH NUMBER NOTCLOCK (?=ON? (TODAY|WEEKDAY|DOTTED|TONIGHT))", _before_a_day),
    ("CLOCK", "(?<=TONIGHT|PART) NUM NOTCLOCK (?!MONTH|DASH)", _number),
    ("CLOCK", "(?<=TODAY|WEEKDAY) COUNT (?=$)", _number),
    ("CLOCK", "AT? HALF NUM NOTCLOCK", _half),
    ("CLOCK", "AT? COUNT HUNDRED HOUR?|AT? NUMBER SHARP|AT COUNT SHARP", _number),
    ("CLOCK", "(AT|A) LARGE NOTCLOCK", _four_digits),
    ("CLOCK", "BETWEEN? NOON AND NUM NOTCLOCK (?!QUARTER)", _lunchtime),
    (
        "CLOCK",
        "NUMBER? NOON (AND COUNT? (HALF|QUARTER)|COUNT (?=$)|MOINS (THE? QUARTER|NUM))?",
        _noon,
    ),
    ("CLOCK", "MIDNIGHT (?!AND (HALF|QUARTER))", _says(hour=23, minute=59)),
    ("CLOCK", "(?<=DAYISH|WEEKDAYS) AT (NUMBER|COUNT) (?=WORD)", _before_a_title),
    ("CLOCK", "(AT|A) NUM NOTCLOCK (?!NTH|DU? MONTH)", _at_number),
    ("CLOCK", "(BY|(?<=BEFORE)) NUM NOTCLOCK (?!NTH|DU? MONTH)", _by_number),
    ("CLOCK", "NUM (?=(IN ON|DE|DE THE) PART)", _at_number),
    # A day or a time beside another phrase, else a version or a score; and an age.
    ("SCORE", "(?<!DOT|FROM|BETWEEN) NUMBER (DOT|DASH) NUMBER NOTCLOCK (?!MONTH)", None),
    ("AGE", "NUMBER (YEARS|AN)", None),
]
# Phrases of phrases.
_LONGER: list[tuple[str, str, _Read | None]] = [
    ("CLOCK", "CLOCK SHARP", lambda tokens, _behind: _first(tokens, "CLOCK").said),
    ("CLOCK", "(FROM|DE|BETWEEN)? CLOCK THEN CLOCK|NUMBER (DASH|TO) CLOCK", _until_clock),
    ("CLOCK", "(FROM|DE) (CLOCK|NUMBER) THEN? CLOCK|FROM NUMBER THEN NUMBER", _until_clock),
    ("CLOCK", "BETWEEN (CLOCK|NUMBER) AND (CLOCK|NUMBER)", _until_clock),
    ("DATE", "(FROM|DE)? THE? (DATE|NUMBER NTH?) THEN ART DATE", _until_date),
    ("DATE", "BETWEEN THE? (DATE|NUMBER NTH?) AND THE? DATE", _until_date),
    ("DATE", "FROM? DATE (TO|DASH) NUMBER NTH?|BETWEEN DATE AND NUMBER NTH?", _until_date),
    ("DATE", "DE NUMBER NTH? TO NUMBER NTH? NOTCLOCK (?!DU? MONTH)", _until_nth),
    ("PARTS", "(?<=RULE) PART", _part),
    ("PARTS", "(?<=DAY|DATE) PART", _part_of_day),
    (
        "PARTS",
        "(?<=DAY|DATE) AMPM",
        lambda tokens, _behind: {"part": _value(tokens, "AMPM") // NOON},
    ),
]


def _compiled(
    rules: list[tuple[str, str, _Read | None]],
) -> list[tuple[re.Pattern[str], str, _Read | None]]:
    return [(re.compile(_coded(pattern)), kind, read) for kind, pattern, read in rules]


def _coded(pattern: str) -> str:
    """A kind is one letter there, so that a pattern of kinds is one of letters."""
    coded = re.sub(
        "[A-Z]+",
        lambda found: _coded(_MACROS[found[0]]) if found[0] in _MACROS else _LETTERS[found[0]],
        pattern,
    )
    return f"(?:{coded.replace(' ', '')})"


# Of Unicode's private ones, the next for each new kind.
_LETTERS: defaultdict[str, str] = defaultdict(map(chr, count(ord("\ue000"))).__next__)

_STEPS = [_compiled(rules) for rules in (_WORDS, _PHRASES, _LONGER)]


def phrases_of(tokens: list[Token]) -> list[Token]:
    """Those that belong together in one; at each place the first pattern that fits counts."""
    for rules in _STEPS:
        letters = "".join(_LETTERS[token.kind] for token in tokens)
        found: list[Token] = []
        begin = 0
        while begin < len(tokens):
            phrase, begin = _phrase_at(tokens, letters, begin, rules)
            found.append(phrase)
        tokens = found
    return tokens


def _phrase_at(
    tokens: list[Token],
    letters: str,
    begin: int,
    rules: list[tuple[re.Pattern[str], str, _Read | None]],
) -> tuple[Token, int]:
    for pattern, kind, read in rules:
        if found := pattern.match(letters, begin):
            end = found.end()
            parts, behind = tokens[begin:end], (*tokens, END)[end]
            name, _, value = kind.partition("=")
            reading = read(parts, behind) if read else {}
            if reading is None:
                continue
            token = replace(
                parts[0],
                kind="TIME" if read and reading == DOUBT else name,
                value=reading if isinstance(reading, int) else int(value or "0"),
                text=" ".join(part.text for part in parts),
                last=parts[-1].last,
                said=reading if isinstance(reading, dict) else {},
                rule=reading if isinstance(reading, str) else "",
            )
            return token, end
    return tokens[begin], begin + 1
