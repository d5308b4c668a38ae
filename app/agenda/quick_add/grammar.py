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
from collections.abc import Callable, Sequence
from dataclasses import replace

from agenda.quick_add.words import END, Said, Token, kinds

NUMBERS = {"NUMBER", "LARGE", "COUNT", "SEPT"}
LAST_DAY = 99
UNSAID = -1
NOON = 12
_DAY_CODES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_WORKDAYS = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"
_FREQS = {"DAYS": "DAILY", "WEEKS": "WEEKLY", "MONTHS": "MONTHLY"}
_FREQS |= dict.fromkeys(("YEARS", "AN"), "YEARLY")


# Said of a phrase that nobody understands for sure.
DOUBT: Said = {}
_Reading = Said | str | int | None
_Read = Callable[[list[Token], Token], _Reading]


def _values(tokens: Sequence[Token], *kinds: str) -> list[int]:
    return [token.value for token in tokens if token.kind in (kinds or NUMBERS)]


def _has(tokens: Sequence[Token], *kinds: str) -> bool:
    return any(token.kind in kinds for token in tokens)


def _is_counted(behind: Token) -> bool:
    """Whether a number may be that of the word behind it, which is no infinitive."""
    is_word = behind.kind in {"WORD", "LABEL", "LASTS", "COUNT", "TIMES"}
    return is_word and not behind.text.endswith(("er", "ir", "re"))


def _labelled(tokens: list[Token], _behind: Token) -> _Reading:
    """ "chapitres 4 à 6", "p. 12-45"; but "TP 3 à 9" is at nine."""
    is_several = tokens[0].text in {"p", "pp"} or tokens[0].text.endswith("s")
    is_range = is_several and tokens[1].value < tokens[3].value and tokens[2].text != "at"
    return "" if tokens[2].kind in {"DASH", "AND"} or is_range else None


def _is_plural(behind: Token) -> bool:
    return behind.text.endswith(("s", "x")) and behind.text not in _NOT_PLURAL


def _is_amount(behind: Token) -> bool:
    """ "8 personnes", "12 kg", "9 Main Street"."""
    is_of_many = _is_plural(behind) or len(behind.text) < len("pot")  # or of a unit
    return (_is_counted(behind) and is_of_many) or behind.is_name or behind.text in _PLACES


def _says(**said: int) -> _Read:
    return lambda _tokens, _behind: said


def _only(*texts: str) -> _Read:
    return lambda tokens, _behind: 0 if " ".join(t.text for t in tokens) in texts else None


def _tens(tokens: list[Token], _behind: Token) -> _Reading:
    """ "vingt et un", "forty two", "twenty first"."""
    tens, more = tokens[0].value, tokens[-1].value
    return tens + more if tens in {20, 30, 40, 50} and 0 < more < 10 else None  # noqa: PLR2004


# Lengths from now.


def _length(tokens: list[Token], _behind: Token) -> _Reading:
    count = (_values(tokens) or [1])[0]
    unit = next(token for token in reversed(tokens) if token.kind in _UNIT_KINDS)
    if unit.kind == "EIGHT" or (unit.text == "jours" and count in {8, 15}):
        return _eight(max(count, unit.value))
    if tokens[0].kind == "DICI" and unit.kind == "H" and count < 24:  # noqa: PLR2004
        return DOUBT  # by six, or in six hours?
    if unit.kind in {"DAYS", "WEEKS", "FORTNIGHT"}:
        return {"days": count * unit.value}
    if unit.kind in {"MONTHS", "YEARS", "AN"}:
        return {"months": count * (12 if unit.kind == "AN" else unit.value)}
    return {"minutes": count * unit.value}


def _eight(days: int) -> Said:
    """In French "huit jours" are a week, "quinze jours" two, for most of those who say it."""
    return {"days": days, "or_days": days - 1, "asked": 1}


def _hours_and_more(tokens: list[Token], _behind: Token) -> _Reading:
    """ "1h30", "two hours and 5 minutes", "une heure et demie"."""
    rest = next(i for i, token in enumerate(tokens) if token.kind in {"H", "HEURE", "HOUR"})
    hours = (_values(tokens[:rest]) or [1])[0]
    return {"minutes": hours * 60 + _values(tokens[rest + 1 :], "HALF", "QUARTER", *NUMBERS)[-1]}


def _hours_and_half(tokens: list[Token], _behind: Token) -> _Reading:
    return {"minutes": 60 * _values(tokens)[0] + 30}


def _quarters(tokens: list[Token], _behind: Token) -> _Reading:
    return {"minutes": 15 * (_values(tokens) or [1])[0]}


# Times of day.


def _clock(hour: int, minute: int, *, vague_until: int = 0, is_bare: bool = False) -> Said:
    """Up to `vague_until` nobody knows whether morning or afternoon; `is_bare` up to noon."""
    if not (0 <= hour < 24 and 0 <= minute < 60):  # noqa: PLR2004 - a clock's
        return DOUBT
    said = {"hour": hour, "minute": minute}
    if 0 < hour <= vague_until:
        said["vague"] = 1
    elif is_bare and 0 < hour <= NOON:
        said["bare"] = 1
    return said


def _heures(tokens: list[Token], behind: Token) -> _Reading:
    """ "18h", "18 h 30", "huit heures et demie", "9h moins le quart"."""
    hour, rest, minute = tokens[0].value, tokens[2:], 0
    if rest:
        minute = _values(rest, "HALF", "QUARTER", *NUMBERS)[-1]
        is_apart = rest[0].kind == "NUMBER" and rest[0].first != tokens[0].first
        if is_apart and len(rest[0].text) == 1 and tokens[-1].kind != "MIN":
            return None  # "20h 8 personnes"
        if is_apart and _is_amount(behind) and tokens[-1].kind != "MIN":
            return DOUBT  # half past, or so many of what follows?
        if rest[0].kind == "MOINS":
            hour, minute = hour - 1, 60 - minute
    is_padded = tokens[0].text.startswith("0")
    found = _clock(hour, minute, vague_until=0 if is_padded else 5)
    if found and hour <= NOON and not is_padded:
        return {**found, "plain": 1}
    if found and tokens[1].kind == "HEURE" and not rest:
        return {**found, "worded": 1}
    return found


def _am_pm(tokens: list[Token], _behind: Token) -> _Reading:
    hour, minute = (*_values(tokens), 0)[:2]
    half = tokens[-1].value
    # Midnight or noon, of which day: people disagree about 12 am.
    if not 1 <= hour <= NOON or (hour == NOON and not half):
        return DOUBT
    return _clock(hour % NOON + half, minute)


def _colon(tokens: list[Token], _behind: Token) -> _Reading:
    first, minute = [token for token in tokens if token.kind == "NUMBER"][:2]
    if len(minute.text) < len("00"):
        return DOUBT
    if first.text.startswith("0"):
        return _clock(first.value, minute.value)
    if (first.value, minute.value) == (11, 59):  # "due 11:59", often of the night
        return _clock(11, 59, vague_until=NOON)
    return _clock(first.value, minute.value, vague_until=6, is_bare=True)


def _on_the_dial(tokens: list[Token], _behind: Token) -> _Reading:
    """ "half past two", "a quarter to nine pm", "ten o'clock"."""
    numbers = _values(tokens, "HALF", "QUARTER", *NUMBERS)
    hour, minute = numbers[-1], (numbers[0] if numbers[1:] else 0)
    if not 1 <= hour <= NOON or minute > 30:  # noqa: PLR2004 - half an hour
        return DOUBT
    if minute and _has(tokens, "TO"):
        hour, minute = (hour - 1 or NOON), 60 - minute
    if tokens[-1].kind == "AMPM":
        return _clock(hour % NOON + tokens[-1].value, minute)
    return _clock(hour, minute, vague_until=7, is_bare=True)


def _at_number(tokens: list[Token], behind: Token) -> Said | None:
    """ "at 9", "à 18": but "at 9 Main Street" is no time."""
    number = tokens[-1]
    if number.value > 24:  # noqa: PLR2004 - "verbes 1 à 30"
        return None
    if _is_counted(behind) or behind.kind in {"NUMBER", "LARGE", "DOT", "SLASH"}:
        is_place = tokens[0].kind == "AT" and tokens[0].text != "about" and number.kind == "NUMBER"
        return DOUBT if is_place else None
    if number.kind == "NUMBER" and number.text.startswith("0"):
        return _clock(number.value, 0)
    return _clock(number.value, 0, vague_until=7, is_bare=True)


def _by_number(tokens: list[Token], behind: Token) -> _Reading:
    """ "by 5", "before 12": but "by 3 people", "for 4" say no time."""
    if (tokens[0].kind == "BY" and tokens[0].text != "by") or _is_counted(behind):
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
    minute = tokens[-1]
    if tokens[0].kind == "AT":
        return _colon(tokens, behind)
    if tokens[0].kind == "BY" and tokens[0].text != "by":
        return None
    if len(minute.text) < len("05") or minute.value % 5 or _is_amount(behind):
        return None
    found = _colon(tokens, behind)
    return found | {"dotted": 1} if isinstance(found, dict) and found else None


def _half(tokens: list[Token], _behind: Token) -> _Reading:
    """ "half eight": 8:30 in Britain, and 7:30 to many who learned English elsewhere."""
    hour = tokens[-1].value
    if tokens[-2].text != "half" or not 1 <= hour <= NOON:
        return None
    found = _clock(hour, 30, vague_until=7, is_bare=True)
    return found | {"or_hour": hour - 1 or NOON, "asked": 1}


def _first_thing(tokens: list[Token], _behind: Token) -> _Reading:
    return {"hour": 9, "minute": 0} if tokens[-2].value == 1 else DOUBT


def _four_digits(tokens: list[Token], behind: Token) -> _Reading:
    """ "at 0930"."""
    number = tokens[-1]
    if len(number.text) < len("0930") or number.value // 100 in {19, 20} or _is_amount(behind):
        return DOUBT
    found = _clock(number.value // 100, number.value % 100)
    return {**found, "dotted": 1} if found and number is tokens[0] else found


def _in_words(tokens: list[Token], _behind: Token) -> _Reading:
    """ "at seven thirty", "six fifteen pm"."""
    hour, minute = _values(tokens, "COUNT")
    if not 1 <= hour <= NOON or not 10 <= minute < 60:  # noqa: PLR2004 - a clock's
        return DOUBT
    if tokens[-1].kind == "AMPM":
        return _clock(hour % NOON + tokens[-1].value, minute)
    return _clock(hour, minute, vague_until=7, is_bare=True)


def _noon(tokens: list[Token], _behind: Token) -> _Reading:
    if tokens[0].kind == "NUMBER" and tokens[0].value != NOON:  # "Lab 3 noon"
        return None
    minute = (0, *_values(tokens[1:], "HALF", "QUARTER", *NUMBERS))[-1]
    if _has(tokens, "MOINS"):
        return _clock(NOON - 1, 60 - minute)
    return {"hour": NOON, "minute": minute}


def _lunchtime(tokens: list[Token], _behind: Token) -> _Reading:
    """ "entre midi et deux"."""
    end = tokens[-1].value
    return {"hour": NOON + end, "minute": 0, "range": 1} if end in {1, 2} else DOUBT


# Days.


def _date(day: int, month: int, year: int | None) -> Said:
    longest = {2: 29, **dict.fromkeys((4, 6, 9, 11), 30)}
    if not (1 <= month <= 12 and 1 <= day <= longest.get(month, 31)):  # noqa: PLR2004 - a calendar
        return DOUBT
    if year is None:
        return {"day": day, "month": month}
    year += 2000 if year < 100 else 0  # noqa: PLR2004 - two digits
    return {"day": day, "month": month, "year": year} if year < 9999 else DOUBT  # noqa: PLR2004


def _numeric(tokens: list[Token], _behind: Token) -> _Reading:
    """ "12/03", "le 12.03", "12/03/2027", "2026-12-01"."""
    numbers = _values(tokens)
    if tokens[0].kind == "LARGE":
        return _date(numbers[2], numbers[1], numbers[0])
    day, month, *year = numbers
    # "1/2" is a half, "24/7" always, "note 8/10" a mark.
    is_named = _has(tokens, "THE", "ON", "WEEKDAY", "DOTTED", "SHORT")
    is_fraction = (day, month) in {(1, 2), (1, 3), (2, 3), (1, 4), (3, 4), (1, 5), (1, 10), (24, 7)}
    if not year and not is_named and (is_fraction or day == month):
        return DOUBT
    names = dict(zip(["weekday"], _values(tokens, "WEEKDAY", "DOTTED", "SHORT"), strict=False))
    if day <= NOON < month and _has(tokens, "SLASH"):  # "12/31" can be no other day; or a mark
        found = _date(month, day, year[0] if year else None)
        return {**found, **names, "asked": 1} if found else DOUBT
    found = _date(day, month, year[0] if year else None)
    found = {**found, **names} if found else DOUBT
    is_american_too = _has(tokens, "SLASH") and not _has(tokens, "THE") and month != day <= NOON
    return {**found, "slashed": 1} if found and is_american_too else found


def _day_of_month(tokens: list[Token], behind: Token) -> Said:
    """ "5 janvier 2027", "December 5th"; "may 5 people" is none."""
    month = next(t for t in tokens if t.kind == "MONTH")
    years = _values(tokens, "LARGE")
    days = [t for t in tokens if t is not month and t.kind in {"NUMBER", "COUNT", "ORDINAL"}]
    is_counted = behind.kind in {"WORD", "LABEL"} and tokens[-1].kind in {"NUMBER", "ORDINAL"}
    if days[0].kind == "ORDINAL" and 1 < days[0].value < 5 and not _has(tokens, "OF"):  # noqa: PLR2004
        return DOUBT  # "second march for peace"
    found = _date(days[0].value, month.value, years[0] if years else None)
    if found and is_counted and month.text in {"may", "march", "mars"}:
        return {**found, "asked": 1}
    names = _values(tokens, "WEEKDAY", "DOTTED", "SHORT")
    return {**found, "weekday": names[0]} if found and names else found


def _nth(tokens: list[Token], behind: Token) -> Said | None:
    """ "le 20", "on the 1st": the next such day. "Le 14 pages" is none."""
    day = _values(tokens, "ORDINAL", *NUMBERS)[0]
    found = {"day": day} if 1 <= day <= 31 else DOUBT  # noqa: PLR2004 - a calendar
    if tokens[-1].kind == "COUNT" and tokens[0].text != "le":
        return None  # "les deux à 18h"
    if not _is_counted(behind):
        return found
    if found and tokens[0].text == "on" and behind.kind == "WORD":
        return {**found, "asked": 1}  # "on the 28th rent", "on the 2nd shelf"
    return None if tokens[0].text == "les" else DOUBT  # "les 21 copies"


def _weekday_nth(tokens: list[Token], behind: Token) -> _Reading:
    """ "vendredi 5", "friday the 5th"; "friday 5" may be five o'clock, "lundi 8" eight."""
    name = next(token for token in tokens if token.kind in {"WEEKDAY", "DOTTED", "SHORT"})
    is_french = name.text.endswith(("di", "he", ".")) or name.text in {"lun", "ven", "merc"}
    is_sure = is_french or _has(tokens, "NTH", "THE", "ON") or behind.kind in _CLOCK_BEGINS
    if behind.kind == "NOON" and _values(tokens) == [NOON]:  # "friday, 12 noon"
        return {"weekday": name.value, "hour": NOON, "minute": 0}
    is_sure = is_sure or _values(tokens)[0] >= 24  # noqa: PLR2004 - hours
    if not (found := _nth(tokens, END)):
        return DOUBT
    found["weekday"] = name.value
    if not _has(tokens, "NTH") and _is_plural(behind):
        found["asked"] = 1  # "vendredi 27 personnes"
    elif not _has(tokens, "NTH") and behind.kind not in _CLOCK_BEGINS:
        found |= {"or_hour": found["day"], "or_minute": 0, "or_day": UNSAID}
    return found if is_sure else found | {"asked": 1}


def _weekday(tokens: list[Token], behind: Token) -> _Reading:
    name = next(t for t in tokens if t.kind in {"WEEKDAY", "SHORT", "DOTTED"})
    said = {"weekday": name.value}
    if _has(tokens, "WEEKS"):
        said["week"] = max(_values(tokens, "NEXT", "THIS"))
    elif _has(tokens, "EN"):
        said["later"] = _LATER.get(tokens[-1].value, 0)
        return said if said["later"] else DOUBT
    elif _has(tokens, "NEXT", "THIS"):
        said["next"] = max(_values(tokens, "NEXT", "THIS"))
    elif tokens[0].kind == "THE":
        said["habit"] = 1
    elif name.text == "sam" and name.is_name:  # or a person
        said["asked"] = 1
    elif name.text.endswith("day") and behind.kind in {"WORD", "LABEL"} and name.first > 0:
        said["attribute"] = 1
    return said


def _by_short(tokens: list[Token], behind: Token) -> _Reading:
    """ "before sat", "by mon"; "pour sam" is for someone."""
    is_for_someone = tokens[0].kind == "BY" and tokens[0].text not in {"by", "due"}
    return None if is_for_someone else _weekday(tokens, behind)


def _weeks_from(tokens: list[Token], _behind: Token) -> _Reading:
    """ "A week from friday", "two weeks from today", "friday week"; "vendredi semaine" is none."""
    if tokens[-1].text.startswith("semaine"):
        return None
    weeks = (_values(tokens) or [1])[0]
    if ahead := [token.value for token in tokens if token.kind == "TODAY"]:
        return {"ahead": ahead[0] + 7 * weeks}
    return {"weekday": _values(tokens, "WEEKDAY")[0], "later": 7 * weeks}


def _days_from(tokens: list[Token], _behind: Token) -> _Reading:
    return {"ahead": (_values(tokens) or [1])[0] + tokens[-1].value}


def _today_in(tokens: list[Token], _behind: Token) -> _Reading:
    """ "d'aujourd'hui en huit", "demain en quinze"."""
    later = _LATER.get(tokens[-1].value)
    return {"ahead": _values(tokens, "TODAY")[0] + later} if later else DOUBT


def _last_day(tokens: list[Token], _behind: Token) -> _Reading:
    return {"month_end": 0} if _values(tokens, "ORDINAL") == [-1] else DOUBT


def _weekday_range(tokens: list[Token], _behind: Token) -> _Reading:
    first, last = _values(tokens, "WEEKDAY", "SHORT")
    if (first, last) == (0, 4):
        return _WORKDAYS
    return {"weekday": last, "range": 1} if first < last else DOUBT


def _day_of_next_month(tokens: list[Token], _behind: Token) -> _Reading:
    return {"day": _values(tokens)[0], "months_on": 1}


def _holiday(tokens: list[Token], behind: Token) -> _Reading:
    """ "before christmas"; but "for christmas dinner" says no day."""
    month_and_day = divmod(tokens[-1].value, 100)
    if not tokens[-1].value or behind.kind in {"WORD", "LABEL"}:
        return DOUBT
    return {"day": month_and_day[0], "month": month_and_day[1]}


def _nth_of_month(tokens: list[Token], _behind: Token) -> _Reading:
    """ "le premier lundi de janvier"."""
    nth, day = _values(tokens, "ORDINAL", "NUMBER")[0], _values(tokens, "WEEKDAY")[0]
    if nth > 4:  # noqa: PLR2004 - not every month has a fifth one
        return DOUBT
    return {"nth": nth, "weekday": day, "month": tokens[-1].value}


def _early(tokens: list[Token], _behind: Token) -> _Reading:
    """ "début mars", "mid-march", "late march"."""
    found: Said = {"month": tokens[-1].value, "asked": 1}
    if _has(tokens, "EARLY"):
        return found | {"day": 1, "or_day": 10}
    return found | {"day": 15 if _has(tokens, "MID") else LAST_DAY}


def _early_part(tokens: list[Token], _behind: Token) -> _Reading:
    part = tokens[-1].value
    if tokens[-1].text == "journee":
        return DOUBT
    if _has(tokens, "LATE"):
        return {"part": part, "today": 1} if part < 2 else DOUBT  # noqa: PLR2004 - the evening
    return {"part": part, "today": 1, "or_hour": (9, 14, 18, 21)[part], "or_minute": 0, "asked": 1}


def _end_of_month(tokens: list[Token], _behind: Token) -> _Reading:
    return {"day": LAST_DAY, "month": tokens[-1].value}


def _part(tokens: list[Token], _behind: Token) -> _Reading:
    part = _values(tokens, "PART", "STRETCH", "TONIGHT")[0]
    said = {"part": part}
    if tokens[-1].kind == "STRETCH" and part == 1:  # la journée
        said = {"hour": 23, "minute": 59}
    if tokens[0].kind in {"THIS", "TONIGHT"}:
        said["ahead"] = 0
    elif tokens[0].text == "in" and _has(tokens, "THE", "ON") and tokens[-1].text == "morning":
        said["morning"] = 1  # of tomorrow, mostly
    elif _has(tokens, "END", "IN", "EN"):
        said["today"] = 1
    elif tokens[0].kind == "DE":
        said["of_clock"] = 1
    return said


def _part_of_day(tokens: list[Token], behind: Token) -> _Reading:
    """ "thursday night"; "thursday nights" is more than one."""
    return DOUBT if tokens[0].text.endswith("s") else _part(tokens, behind)


# Repeats.


def _repeats(rule: str) -> _Read:
    return lambda _tokens, _behind: rule


def _rule(freq: str, *, interval: int = 1, **by: str) -> str:
    parts = [f"FREQ={freq}", *([f"INTERVAL={interval}"] if interval > 1 else [])]
    return ";".join([*parts, *(f"{name.upper()}={value}" for name, value in by.items())])


def _on_weekdays(tokens: list[Token], _behind: Token) -> _Reading:
    """ "tous les lundis et jeudis", "every other monday", "un lundi sur deux", "mon wed fri"."""
    days = sorted(set(_values(tokens, "WEEKDAY", "WEEKDAYS", "SHORT", "DOTTED")))
    if tokens[0].kind in {"WEEKDAY", "DOTTED", "SHORT"}:
        is_in_a_row = days[-1] - days[0] < len(days) < 5  # noqa: PLR2004 - a festival; or the workdays
        if not days[2:] or is_in_a_row:
            return DOUBT if days[2:] or _has(tokens, "SLASH") else None
    interval = _values(tokens, "OTHER") or ([tokens[-1].value] if _has(tokens, "SUR") else [1])
    return _rule("WEEKLY", interval=interval[0], byday=",".join(_DAY_CODES[day] for day in days))


def _each(tokens: list[Token], _behind: Token) -> _Reading:
    """ "tous les 2 jours", "every other week", "une semaine sur deux", "chaque année"."""
    unit = next(token for token in reversed(tokens) if token.kind in _FREQS)
    interval = (_values(tokens, "OTHER", *NUMBERS) or [1])[-1]
    if _has(tokens, "SUR") and tokens[0].value != 1:
        return DOUBT
    if unit.text == "jours" and interval in {8, 15}:
        return _rule("WEEKLY", interval=2) if interval > 8 else DOUBT  # noqa: PLR2004
    return _rule(_FREQS[unit.kind], interval=interval) if 0 < interval < 100 else DOUBT  # noqa: PLR2004


def _each_nth(tokens: list[Token], _behind: Token) -> _Reading:
    day = _values(tokens, "NUMBER", "ORDINAL")[0]
    return _rule("MONTHLY", bymonthday=str(day)) if 1 <= day <= 31 else DOUBT  # noqa: PLR2004


def _nth_weekday(tokens: list[Token], _behind: Token) -> _Reading:
    nth, day = _values(tokens, "ORDINAL", "NUMBER")[0], _values(tokens, "WEEKDAY", "WEEKDAYS")[0]
    # "Every second monday": of the month, or every other one?
    if nth > 4 or (nth not in {1, -1} and not _has(tokens, "MONTHS")):  # noqa: PLR2004
        return DOUBT
    return _rule("MONTHLY", byday=f"{nth}{_DAY_CODES[day]}")


def _each_date(tokens: list[Token], behind: Token) -> _Reading:
    found = _day_of_month(tokens[1:], behind)
    if not found:
        return DOUBT
    return _rule("YEARLY", bymonth=str(found["month"]), bymonthday=str(found["day"]))


def _adverb(tokens: list[Token], _behind: Token) -> _Reading:
    return _rule(("DAILY", "WEEKLY", "MONTHLY", "YEARLY")[tokens[-1].value])


# Ranges: the deadline is their end.


def _until_number(tokens: list[Token], behind: Token) -> _Reading:
    """ "friday 9-11", "12-1 friday"; but "friday 3-5 pages"."""
    if _is_amount(behind) or tokens[-1].value > 24:  # noqa: PLR2004 - hours
        return None
    return _until_clock(tokens, behind)


def _before_a_day(tokens: list[Token], behind: Token) -> _Reading:
    found = _until_number(tokens, behind)
    return {**found, "asked": 1} if isinstance(found, dict) and found else None


def _until_clock(tokens: list[Token], _behind: Token) -> _Reading:
    first, last = (t for t in tokens if t.kind in {"CLOCK", "NUMBER"})
    end = last.said or _at_number([last], END)
    if not end:
        return DOUBT
    begin = first.said.get("hour", first.value) * 60 + first.said.get("minute", 0)
    over = begin - end["hour"] * 60 - end["minute"]
    if over < 0:
        return {**end, "range": 1}
    if not (0 < over < NOON * 60 and begin < 13 * 60):
        return DOUBT
    if begin >= 11 * 60:  # "12-1"; "9-1" may be a day's or a night's
        return {"hour": end["hour"] + NOON, "minute": end["minute"], "range": 1}
    return {**end, "vague": 1, "range": 1}


def _until_nth(tokens: list[Token], behind: Token) -> _Reading:
    """ "du 28 au 30"."""
    first, last = _values(tokens)
    if (tokens[0].text, _has(tokens, "TO"), _is_counted(behind)) != ("du", True, False):
        return None
    return {"day": last, "range": 1} if first < last <= 31 else DOUBT  # noqa: PLR2004 - a calendar


def _until_date(tokens: list[Token], _behind: Token) -> _Reading:
    last = tokens[-2] if tokens[-1].kind == "NTH" else tokens[-1]
    if last.kind != "NUMBER":
        return {**last.said, "range": 1}
    first = next(token.said for token in tokens if token.kind == "DATE")
    is_later = first.get("day", LAST_DAY) < last.value <= 31  # noqa: PLR2004 - a calendar
    return {**first, "day": last.value, "range": 1} if is_later else DOUBT


_PLACES = {"people", "street", "rue", "avenue", "place", "boulevard", "bd", "impasse", "route"}
_LATER = {8: 7, 15: 14}
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
    ("ORDINAL", "COUNT ORDINAL", _tens),
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
    ("TIME=0", "(?<=AMPM|H|NUMBER) (ZONE|WORD WHILE)|TIMES (A|AN|EVERY)? (DAILY|DAYS|WEEKS)", None),
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
    ("EVERY=0", "WORD (?=THE)", _only("ts", "tt", "ttes")),
    ("WEEKEND=0", "(?<=THIS) WORD", _only("we")),
    ("TIME=0", "WORD WHILE", _only("same time")),
    ("COB=0", "WORD OF WORKING", _only("close of business")),
    ("WORD=0", "(?<=WORD|LABEL) (A|AT)? DAYS", _only("day", "a jour")),
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
        lambda tokens, _behind: {"weekday": tokens[0].value, "asked": 1},
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
    ("DATE", "NEXT? (WEEKDAY|DOTTED) DAYNUM|SHORT DAYNUM (?=TO? CLOCKLIKE)", _weekday_nth),
    (
        "DATE",
        "((THE|TILL) NUMBER NTH?+ NOTCLOCK NOTPHONE|ON+ NUMBER NTH"
        "|(THE COUNT|ON ON ORDINAL) (?=$|AT|A))(?!DU? MONTH|DU ART NEXT? MONTHS)",
        _nth,
    ),
    ("DATE", "ART ORD WEEKDAY DU MONTH", _nth_of_month),
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
    ("DAY", "TODAY", lambda tokens, _behind: {"ahead": tokens[0].value}),
    ("DAY", "NEXTWEEK", _says(week=1)),
    ("DAY", "THIS WEEKS", _says(week=0)),
    ("DAY", "(THIS|(AT|IN|ON|OVER|LASTS) (THE|ON)) WEEKEND", _says(weekend=0)),
    ("DAY", "NEXT WEEKEND|THE? WEEKEND QUI? NEXT", _says(weekend=0, or_weekend=7, asked=1)),
    ("DAY", "ENDOF NEXTWEEK", _says(weekend=7, or_weekend=5, asked=1)),
    ("DAY", "ENDOF WEEKS|EOW", _says(weekend=0, or_weekend=-2, asked=1)),
    ("DAY", "(ENDOF)? NEXTMONTH", _says(month_end=1)),
    ("DAY", "ENDOF MONTHS|THIS MONTHS|EOM", _says(month_end=0)),
    ("DAY", "ART ORDINAL DAYS DU ART MONTHS (?!NEXT)", _last_day),
    ("DAY", "(ENDOF|THIS) YEARS (?!SCHOOL)|EOY", _says(year_end=0)),
    ("DAY", "(IN|OVER|LASTS) (THE|ON) WEEKS (?!DE|OF)", _says(week=0)),
    # Parts of a day.
    ("PARTS", "THIS (PART|STRETCH)|TONIGHT", _part),
    ("PARTS", "ENDOF (PART|STRETCH)", _part),
    ("PARTS", "(EN|AT|A|IN)? ART (EARLY|LATE) DU? (PART|STRETCH)", _early_part),
    ("PARTS", "(DE|IN|A|AT|EN|TO) ART (PART|STRETCH)|THE PART", _part),
    ("CLOCK", "EOD|ENDOF (DAYS|(?=TODAY))", _says(hour=23, minute=59)),
    ("CLOCK", "COB (?=$|DAYISH)|ENDOF WORKING DAYS?", _says(hour=17, minute=0)),
    ("CLOCK", "(AT|A|DE)? THE? ORDINAL (HEURE (?!DE)|THING)", _first_thing),
    ("CLOCK", "AT? LUNCH", _says(hour=NOON, minute=0, or_hour=13, asked=1)),
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
    ("CLOCK", "BETWEEN? NOON AND NUM NOTCLOCK", _lunchtime),
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
    ("CLOCK", "CLOCK SHARP", lambda tokens, _behind: tokens[0].said),
    ("CLOCK", "(FROM|DE|BETWEEN)? CLOCK THEN CLOCK|NUMBER (DASH|TO) CLOCK", _until_clock),
    ("CLOCK", "(FROM|DE) (CLOCK|NUMBER) THEN? CLOCK|FROM NUMBER THEN NUMBER", _until_clock),
    ("CLOCK", "BETWEEN (CLOCK|NUMBER) AND (CLOCK|NUMBER)", _until_clock),
    ("DATE", "(FROM|DE)? THE? (DATE|NUMBER NTH?) THEN THE? DATE", _until_date),
    ("DATE", "BETWEEN THE? (DATE|NUMBER NTH?) AND THE? DATE", _until_date),
    ("DATE", "FROM? DATE (TO|DASH) NUMBER NTH?|BETWEEN DATE AND NUMBER NTH?", _until_date),
    ("DATE", "DE NUMBER NTH? TO NUMBER NTH? NOTCLOCK (?!DU? MONTH)", _until_nth),
    ("PARTS", "(?<=RULE) PART", _part),
    ("PARTS", "(?<=DAY|DATE) PART", _part_of_day),
    ("PARTS", "(?<=DAY|DATE) AMPM", lambda tokens, _behind: {"part": tokens[0].value // NOON}),
]


def _compiled(
    rules: list[tuple[str, str, _Read | None]],
) -> list[tuple[re.Pattern[str], str, _Read | None]]:
    return [(re.compile(_coded(pattern)), kind, read) for kind, pattern, read in rules]


def _coded(pattern: str) -> str:
    """A kind is one letter there, so that a pattern of kinds is one of letters."""
    coded = re.sub(
        "[A-Z]+",
        lambda found: _coded(_MACROS[found[0]]) if found[0] in _MACROS else _letter(found[0]),
        pattern,
    )
    return f"(?:{coded.replace(' ', '')})"


_LETTERS: dict[str, str] = {}


def _letter(kind: str) -> str:
    return _LETTERS.setdefault(kind, chr(0xE000 + len(_LETTERS)))


_STEPS = [_compiled(rules) for rules in (_WORDS, _PHRASES, _LONGER)]


def phrases_of(tokens: list[Token]) -> list[Token]:
    """Those that belong together in one; at each place the first pattern that fits counts."""
    for rules in _STEPS:
        letters = "".join(_letter(token.kind) for token in tokens)
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
                value=reading if isinstance(reading, int) else int(value or 0),
                text=" ".join(part.text for part in parts),
                last=parts[-1].last,
                said=reading if isinstance(reading, dict) else {},
                rule=reading if isinstance(reading, str) else "",
            )
            return token, end
    return tokens[begin], begin + 1
