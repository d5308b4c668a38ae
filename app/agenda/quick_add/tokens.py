"""Which words of a line speak of time, French and English alike, as tokens. Pure.

Each token is one meaning, an opener ("à", "by"), a number, a doubt (speaks of time, and cannot be
read alone) or a plain word. What they mean together is deadline.py's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from agenda.quick_add.repeat import WEEKDAYS, Rhythm, rhythm_at


class Sure(Enum):
    """Whether a written hour is one of the twenty-four."""

    FIXED = "18h, 6 pm, 08:30"
    PLAIN = "8h, 9:30: the morning's, unless a part of the day says otherwise"
    VAGUE = "3h, at 5: nobody knows which, unless a part of the day says it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """`is_bare` is an English hour without am or pm; `is_worded` is "8 heures", a length too."""

    hour: int
    minute: int
    sure: Sure
    is_bare: bool = False
    is_worded: bool = False
    is_number: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """So many days from today."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weekday:
    number: int
    is_next: bool = False
    is_this: bool = False
    is_english: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarDay:
    """`needs_end` where a plain word behind it would make the number that word's."""

    day: int
    month: int | None = None
    year: int | None = None
    weekday: int | None = None
    needs_end: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """How long from now."""

    minutes: int = 0
    days: int = 0
    months: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the day; `is_today` is "ce soir", `is_of_clock` is the "du soir" of "9 du soir"."""

    name: str
    is_today: bool = False
    is_of_clock: bool = False


class Role(Enum):
    DOUBT = "speaks of time and is not understood"
    OPENER = "belongs to the deadline behind it"
    BEFORE = "as an opener, of a time of day only: before a day is on which day?"
    UNTIL = "as an opener; of a rhythm it is the end, not the first time"
    SPOILER = "makes something else of a deadline behind it: after, from, not, of"
    LASTS = "makes a length of the hours behind it"
    DASH = "between words, or the middle of a range"
    NEAR = "speaks of time only beside a deadline"
    NUMBER = "a number"
    WORD = "a word of the title"
    END = "no word: the line's end"


Meaning = Clock | Days | Weekday | CalendarDay | Span | Part | Rhythm | Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Of the words `first` up to, not including, `last`; `text` is without capitals and accents."""

    first: int
    last: int
    text: str
    meaning: Meaning

    @property
    def is_time(self) -> bool:
        return not isinstance(self.meaning, Role)


_ENGLISH_WEEKDAYS = {name for name in WEEKDAYS if name.endswith("day")}
# Those that are no other word; the others are read beside a time or a number only.
_SHORT_WEEKDAYS = {
    **{"lun": 0, "ven": 4, "mon": 0, "tue": 1, "tues": 1, "wed": 2, "thu": 3, "thur": 3},
    **{"thurs": 3, "fri": 4, "sat": 5, "sun": 6},
}
# "mar" is March too; a game, the sea, Sam and "dim the lights" come before times as well.
_DOTTED_WEEKDAYS = {"jeu": 3, "sam": 5, "dim": 6, "mer": 2}
_SHORT_AND_DOTTED = _SHORT_WEEKDAYS | _DOTTED_WEEKDAYS
_MONTHS = {
    name: number
    for names in (
        "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
        "january february march april may june july august september october november december",
        "janv fevr - avr - - juil - sept oct nov dec",
        "jan feb - apr - jun jul aug sep - - -",
        "- fev - - - - - - - - - -",
    )
    for number, name in enumerate(names.split(), 1)
    if name != "-"
}
_MONTHS_AND_WORDS = {"may", "march", "mars", "mar", "sept", "jan", "dec", "sep", "nov", "oct"}
_MONTHS_AND_WORDS |= {"jun", "jul", "aug", "avr", "apr", "fev", "feb", "janv", "fevr", "juil"}


def _names(text: str) -> list[str]:
    return text.split()


_FRENCH = _names(
    "zero une deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze "
    "seize dix-sept dix-huit dix-neuf vingt vingt-et-une vingt-deux vingt-trois"
)
_ENGLISH = _names("zero one two three four five six seven eight nine ten eleven twelve")
_NUMBERS = {name: number for names in (_FRENCH, _ENGLISH) for number, name in enumerate(names)}
_NUMBERS |= {"un": 1, "a": 1, "an": 1, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40}
_NUMBERS |= {"fifty": 50, "sixty": 60, "ninety": 90, "trente": 30, "quarante": 40, "cinquante": 50}
_NUMBERS |= {"vingt-cinq": 25, "quarante-cinq": 45, "forty-five": 45, "twenty-five": 25}
_NUMBERS |= {"soixante": 60, "twenty-four": 24, "forty-eight": 48, "vingt-quatre": 24}


def _one_of(names: Iterable[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


_WEEKDAY = f"(?:{_one_of(WEEKDAYS)})"
_MONTH = f"(?:{_one_of(_MONTHS)})"
_HOUR_EN = rf"(?:\d{{1,2}}|{_one_of(_ENGLISH[1:])})"
_COUNT = rf"(?:\d{{1,4}}|{_one_of(_NUMBERS)})"
_AM_PM = r"(?:[ap]\.? ?m)"
_NTH = "(?:er|re|st|nd|rd|th)"
_NOT_A_CLOCK = rf"(?! ?(?:h|heures?|hours?|hrs?|{_AM_PM}|min|mn|o'clock)(?: |$))"
_PART = "matin|morning|apres[- ]midi|aprem|afternoon|soir|evening|night"
_PART_NAMES = {
    **dict.fromkeys(("matin", "matinee", "morning"), "morning"),
    **dict.fromkeys(("apres-midi", "apres midi", "aprem", "afternoon"), "afternoon"),
    **dict.fromkeys(("soir", "soiree", "evening"), "evening"),
    "night": "night",
}
# After "at 9" these show that the number is not the next word's.
_NEXT = (
    rf"(?=$| (?:{_WEEKDAY}|demain|tomorrow|today|aujourd'?hui|ce|du|de l'|le|on|this|tonight|"
    r"in the|every|each|chaque|et|and|pour|avec|chez|with|for|-)(?: |$))"
)


def _number(written: str) -> int:
    return _NUMBERS[written] if written in _NUMBERS else int(written)


def _sure(hour: int, written: str, *, vague_until: int) -> Sure:
    """ "08" and "18" are meant of twenty-four; "3" nobody means at night without saying so."""
    if hour == 0 or hour > 12 or written.startswith("0"):  # noqa: PLR2004 - of the clock's face
        return Sure.FIXED
    return Sure.VAGUE if hour <= vague_until else Sure.PLAIN


def _after_hour(clock: Clock, suffix: str | None) -> Meaning:
    """ "et demie", "et quart", "moins le quart", "moins dix" behind a full hour."""
    if not suffix:
        return clock
    hour, minute = clock.hour, 0
    if "moins" in suffix:
        last = suffix.split()[-1]
        less = 15 if last == "quart" else _number(last)
        hour, minute = clock.hour - 1, 60 - less
    elif "demi" in suffix:
        minute = 30
    else:
        minute = 15
    if hour < 0 or not 0 <= minute < 60:  # noqa: PLR2004 - minutes
        return Role.DOUBT
    return Clock(hour=hour, minute=minute, sure=clock.sure, is_worded=clock.is_worded)


_BEHIND = (
    r"(?P<behind> et demie?| et (?:un )?quart| moins (?:le |un )?quart"
    r"| moins (?:\d{1,2}|cinq|dix|vingt|vingt-cinq))?"
)


def _am_pm(found: re.Match[str]) -> Meaning:
    hour, minute = int(found["hour"]), int(found["minute"] or 0)
    # Midnight or noon, of which day: people disagree about 12 am.
    if not 1 <= hour <= 12 or (hour == 12 and found["half"].startswith("a")):  # noqa: PLR2004
        return Role.DOUBT
    return Clock(
        hour=hour % 12 + (12 if found["half"].startswith("p") else 0),
        minute=minute,
        sure=Sure.FIXED,
    )


def _hours(
    *, vague_until: int, is_bare: bool = False, is_number: bool = False
) -> Callable[[re.Match[str]], Meaning]:
    """ "18h", "18 h 30", "huit heures et demie"; "9:30"; "at 9"."""

    def read(found: re.Match[str]) -> Meaning:
        groups = found.groupdict()
        hour, minute, behind = _number(found["hour"]), groups.get("minute"), groups.get("behind")
        if hour > 23 or (minute and behind):  # noqa: PLR2004 - hours
            return Role.DOUBT
        sure = _sure(hour, found["hour"], vague_until=vague_until)
        clock = Clock(
            hour=hour,
            minute=_number(minute) if minute else 0,
            sure=sure,
            is_bare=is_bare and sure is not Sure.FIXED,
            is_worded="heure" in found.group(),
            is_number=is_number,
        )
        return _after_hour(clock, behind)

    return read


def _on_the_dial(found: re.Match[str]) -> Meaning:
    """ "eight o'clock", "half past two", "ten to nine pm"."""
    groups = found.groupdict()
    hour, minute = _number(found["hour"]), 0
    if not 1 <= hour <= 12:  # noqa: PLR2004 - of the clock's face
        return Role.DOUBT
    sure = _sure(hour, found["hour"], vague_until=7)
    if lead := groups.get("lead"):
        minute = {"half": 30, "quarter": 15}.get(lead.removeprefix("a ")) or _number(lead)
        if minute > 30:  # noqa: PLR2004 - half an hour
            return Role.DOUBT
        if found["side"] == "to":
            hour, minute = (hour - 1 or 12), 60 - minute
    if half := groups.get("half"):
        return Clock(hour=hour % 12 + (12 if half[0] == "p" else 0), minute=minute, sure=Sure.FIXED)
    return Clock(hour=hour, minute=minute, sure=sure, is_bare=True)


def _calendar_day(found: re.Match[str]) -> Meaning:
    groups = found.groupdict()
    day = 1 if found["day"] == "premier" else int(found["day"])
    month = groups.get("month") or ""
    year = groups.get("year")
    number = _MONTHS[month] if month in _MONTHS else int(month)
    if not _may_be(day, number):
        return Role.DOUBT
    weekday = groups.get("weekday")
    return CalendarDay(
        day=day,
        month=number,
        year=None if not year else int(year) + (2000 if len(year) == len("26") else 0),
        weekday=WEEKDAYS[weekday] if weekday else None,
        needs_end=month in {"may", "march", "mars"} and found.group().startswith(month),
    )


def _may_be(day: int, month: int) -> bool:
    longest = {2: 29, **dict.fromkeys((4, 6, 9, 11), 30)}
    return 1 <= month <= 12 and 1 <= day <= longest.get(month, 31)  # noqa: PLR2004 - a calendar


def _slashed(found: re.Match[str]) -> Meaning:
    """ "1/2" is a half, "24/7" always, "note 8/10" a mark: said without "le" they are in doubt."""
    article, day, month = found["article"], int(found["day"]), int(found["month"])
    fraction = (day, month) in {(1, 2), (1, 3), (2, 3), (1, 4), (3, 4), (1, 5), (1, 10), (24, 7)}
    if not article and not found["year"] and (fraction or day == month):
        return Role.DOUBT
    return _calendar_day(found)


def _nth(found: re.Match[str]) -> Meaning:
    """ "le 20", "on the 1st": the next such day, of this month or a later one."""
    day = int(found["day"] or found["nth"])
    if not 1 <= day <= 31:  # noqa: PLR2004 - a calendar
        return Role.DOUBT
    return CalendarDay(day=day, needs_end=True)


def _weekday_nth(found: re.Match[str]) -> Meaning:
    """ "vendredi 5", "friday the 5th"; "friday 5" may be five o'clock."""
    day, weekday = int(found["day"]), found["weekday"]
    is_sure = bool(found["article"] or found["nth"])
    if not 1 <= day <= 31 or (weekday in _ENGLISH_WEEKDAYS and not is_sure):  # noqa: PLR2004
        return Role.DOUBT
    return CalendarDay(day=day, weekday=WEEKDAYS[weekday], needs_end=not is_sure)


def _weekday(found: re.Match[str]) -> Meaning:
    groups = found.groupdict()
    name, modifier = found["weekday"], groups.get("before") or groups.get("behind") or ""
    if groups.get("before") == "next" and groups.get("behind"):
        return Role.DOUBT
    return Weekday(
        number=(WEEKDAYS | _SHORT_AND_DOTTED)[name],
        is_next=modifier.strip() in {"next", "prochain", "qui vient"},
        is_this=modifier.strip() in {"this", "ce"},
        is_english=name in _ENGLISH_WEEKDAYS,
    )


def _part(found: re.Match[str]) -> Meaning:
    text = found.group()
    return Part(
        name=_PART_NAMES.get(found["part"], "evening"),
        is_today=text.startswith(("ce ", "cet ", "cette ", "this ", "tonight")),
        is_of_clock=text.startswith(("du ", "de ", "in ", "at ")),
    )


_UNITS = {
    **dict.fromkeys(("min", "mins", "mn", "minute", "minutes"), Span(minutes=1)),
    **dict.fromkeys(("h", "hr", "hrs", "heure", "heures", "hour", "hours"), Span(minutes=60)),
    **dict.fromkeys(("jour", "jours", "day", "days"), Span(days=1)),
    **dict.fromkeys(("semaine", "semaines", "week", "weeks"), Span(days=7)),
    **dict.fromkeys(("mois", "month", "months"), Span(months=1)),
}
_UNIT = _one_of(_UNITS)
_FROM_NOW = "(?:dans|ds|in|within|sous|d'ici) (?:environ |about )?"


def _span(found: re.Match[str]) -> Meaning:
    if found["more"] and _UNITS[found["unit"]].minutes != 60:  # noqa: PLR2004 - an hour
        return Role.DOUBT
    total = Span()
    for count, unit in ((found["count"], found["unit"]), (found["more"], found["small"])):
        if count:
            one, many = _UNITS[unit], _number(count)
            total = Span(
                minutes=total.minutes + many * one.minutes,
                days=total.days + many * one.days,
                months=total.months + many * one.months,
            )
    if behind := found["behind"]:
        if _UNITS[found["unit"]].minutes != 60 or found["more"]:  # noqa: PLR2004 - an hour
            return Role.DOUBT
        total = Span(minutes=total.minutes + (15 if "qua" in behind else 30))
    # "Huit jours" is a week and "quinze jours" are two, in French.
    eight_days = re.search(r"\b(?:8|15|huit|quinze) jours", found.group())
    return Role.DOUBT if eight_days or total == Span() else total


_DATE_END = r"(?: (?P<year>\d{4})(?! ?(?:h|€|euros?|pages?)(?: |$)))?"
_NUMERIC_END = r"(?:/(?P<year>\d{4}|\d\d))?"
_TWENTY_FOUR = rf"(?:\d{{1,2}}|{_one_of(_FRENCH)})"
_MINUTES_FR = (
    r"(?:[0-5]\d|cinq|dix|quinze|vingt|vingt-cinq|trente|quarante|quarante-cinq|cinquante)"
)

_SHORT_BEFORE = (
    rf"(?= (?:(?:at|a) )?\d{{1,2}}(?:h| h|:\d\d| ?{_AM_PM})(?:\d\d)?(?: |$)"
    rf"| (?:noon|midi|midnight|minuit|{_PART})(?: |$)"
    rf"| \d{{1,2}}{_NTH}? (?:{_MONTH})(?: |$)| (?:{_MONTH}) \d{{1,2}}{_NTH}?(?: |$))"
)
_HOLIDAYS = "noel|christmas|easter|paques|halloween|toussaint|xmas|nye|pentecote|thanksgiving"
_LONG_TIMES = "weeks?|months?|year|quarter|weekend|week-end|semestre|trimestre"
_LONG_TIMES_FR = "semaine|mois|annee|an|week-end|weekend|trimestre|semestre"
_EVERY = "(?:every|each|chaque|tous les|toutes les)"
# What speaks of time and cannot be read, one pattern a line.
_DOUBTS = rf"""
tout a l'heure|after next|but one|first thing
(?:at|after|before|by|apres|avant) (?:lunch|dinner|breakfast|work|school|diner|dejeuner|manger)
(?:{_COUNT}|once|twice)(?: (?:fois|times?))? (?:par|a|per) (?:jour|semaine|mois|an)
(?:{_COUNT}|once|twice)(?: (?:fois|times?))? (?:par|a|per) (?:day|week|month|year)
{_EVERY} (?:{_MONTH}|couple|few|quelques|first|last|premiers?|premieres?|derniers?|1er)
{_EVERY} jours? (?:ouvrables?|feries?)
(?:next|this|last|coming|cette|ce|la) (?:{_LONG_TIMES}|semaine)
(?:la |l'|le |cette |ce )?(?:{_LONG_TIMES_FR}) (?:prochaine?|derniere?|passee?|qui vient)
cette annee|l'an prochain|l'annee prochaine|ce jour
(?:en |a la |au )?(?:fin|debut|milieu) (?:de |du |de la |d'|de l')+(?:{_LONG_TIMES_FR}|{_PART})
(?:en |a la |au )?(?:fin|debut|milieu) (?:de |du |de la |d'|de l')+{_MONTH}
(?:en |a la |au )?(?:fin|debut|milieu) (?:de |du |de la |d'|de l')+(?:journee|matinee|soiree)
(?:end|start|beginning|middle|close) of (?:the |this |next )?(?:day|business|{_LONG_TIMES})
(?:end|start|beginning|middle|close) of (?:the |this |next )?(?:{_WEEKDAY}|{_MONTH}|{_PART})
(?:fin|end|mid|debut|early|late|in|en|of) (?:{_MONTH}|week|month)
{_EVERY} (?:other|second|autre|{_COUNT}|\d+{_NTH}?)(?: (?:{_UNIT}|{_WEEKDAY}s?|ans|years))?
{_EVERY} (?:\w+ )?(?:{_UNIT}|{_PART}|{_LONG_TIMES}|nuits?|matins|soirs|apres-midis|midis?)
{_EVERY} (?:\w+ )?(?:mornings|evenings|nights|ans?|years?|mon|sun|sat)
\w+ sur (?:deux|trois|quatre|2|3|4)
et demie?|and a half|and a quarter|et quart|moins le quart|en huit|en quinze
(?:half|quarter) (?:past|to)|from now|il y a|plus tot
{_COUNT} ?(?:{_UNIT}|secondes?|seconds?|fortnights?|quinzaines?)(?: plus tard| later)?
(?:une )?demi[- ]heure|half an hour|(?:un )?quart d'heure
(?:on|by|this|next|until) (?:{_one_of(_SHORT_WEEKDAYS)})
(?:a|at|for|pour|by|on|avant|before|until) (?:{_HOLIDAYS})
"""
_QUARTERS = {
    15: "(?:un |1 )?quart d'heure|(?:a )?quarter of an hour",
    30: "(?:une |1 )?demi[- ]heure|half an hour|(?:a )?half[- ]hour",
    45: "(?:trois|3) quarts d'heure|three quarters of an hour",
}
_NOON = Clock(hour=12, minute=0, sure=Sure.FIXED)
_FRENCH_HOURS = _hours(vague_until=5)
_COLON = _hours(vague_until=6, is_bare=True)
_AT_NUMBER = _hours(vague_until=7, is_bare=True, is_number=True)
# In this order: the first that fits counts. A pattern begins and ends with whole words.
_READINGS: list[tuple[str, Meaning | Callable[[re.Match[str]], Meaning]]] = [
    # Spans. Eighteen hours from now, or by six?
    (r"d'ici \d{1,2} ?h(?:\d\d)?", Role.DOUBT),
    (
        rf"{_FROM_NOW}(?P<hour>\d{{1,3}}) ?h ?(?P<minute>[0-5]?\d)(?: ?(?:min|mn|m))?",
        lambda found: Span(minutes=60 * int(found["hour"]) + int(found["minute"])),
    ),
    (
        rf"{_FROM_NOW}(?P<count>{_COUNT}) ?(?P<unit>{_UNIT})"
        rf"(?:(?: et | and | )(?P<more>{_COUNT}) ?(?P<small>min|mins|mn|minutes?)"
        r"|(?P<behind> et demie?| and a half| et quart| and a quarter))?",
        _span,
    ),
    *((f"{_FROM_NOW}(?:{text})", Span(minutes=minutes)) for minutes, text in _QUARTERS.items()),
    (rf"{_FROM_NOW}a fortnight", Span(days=14)),
    (
        rf"{_FROM_NOW}(?:(?:les|la|the|next|a couple of|a few|quelques|{_COUNT}|\d+[.,]\d) ){{1,3}}"
        rf"(?:{_UNIT}|ans?|annees?|years?|sec|secondes?|seconds?|[smjdw]|journee)",
        Role.DOUBT,
    ),
    # Days of the calendar.
    (r"(?:le |on )?(?P<year>\d{4})-(?P<month>\d\d?)-(?P<day>\d\d?)", _calendar_day),
    (r"(?:le |on )?(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})", _calendar_day),
    (r"(?:le|on) (?P<day>\d{1,2})\.(?P<month>\d\d)", _calendar_day),
    (
        rf"(?P<weekday>{_WEEKDAY})(?: le| the)? (?P<day>\d{{1,2}})/(?P<month>\d{{1,2}})"
        rf"{_NUMERIC_END}",
        _calendar_day,
    ),
    (
        r"(?P<article>(?:le |on |the |au ))?(?P<day>\d{1,2})/(?P<month>\d{1,2})" + _NUMERIC_END,
        _slashed,
    ),
    (
        rf"(?:(?P<weekday>{_WEEKDAY}) )?(?:le |the |on the |on )?"
        rf"(?P<day>\d{{1,2}}|premier){_NTH}?(?: of)? (?P<month>{_MONTH}){_DATE_END}",
        _calendar_day,
    ),
    (
        rf"(?:(?P<weekday>{_WEEKDAY}) )?(?:on )?(?P<month>{_MONTH}) (?:the )?"
        rf"(?P<day>\d{{1,2}}){_NTH}?{_NOT_A_CLOCK}{_DATE_END}",
        _calendar_day,
    ),
    (
        rf"(?P<weekday>{_WEEKDAY})(?P<article> le| the)? (?P<day>\d{{1,2}})(?P<nth>{_NTH})?"
        rf"{_NOT_A_CLOCK}",
        _weekday_nth,
    ),
    (
        rf"le (?P<day>\d{{1,2}})(?:er)?{_NOT_A_CLOCK}(?! \d\d(?: |$))"
        rf"|(?:(?:on )?the|on) (?P<nth>\d{{1,2}}){_NTH}",
        _nth,
    ),
    # A date, a version or a price, a time of day.
    (rf"(?:[0-2]?\d|3[01])[.-](?:0?[1-9]|1[0-2])|\d{{1,2}}(?:\.[0-5]\d|{_NTH}|e|eme)", Role.NEAR),
    # Parts of a day.
    (
        r"(?:(?:ce|cet|this|du|le|au|in the|at) |(?:de |dans |cet )?l')?"
        rf"(?P<part>{_PART})",
        _part,
    ),
    (r"(?:dans la|cette|en) (?P<part>matinee|soiree)", _part),
    (r"(?P<part>tonight)", _part),
    # Times of day.
    (
        rf"(?:cette |la |de |dans la )?nuit|\d{{1,2}}(?:[:.]\d\d)? ?{_AM_PM} (?:et|pt|ct|mt)",
        Role.DOUBT,
    ),
    (r"\d{1,2}:\d", Role.NEAR),
    (
        rf"(?P<hour>\d{{1,2}})(?:(?:[:.]|h)(?P<minute>[0-5]\d))? ?(?P<half>{_AM_PM})",
        _am_pm,
    ),
    (
        rf"(?P<lead>half|(?:a )?quarter|\d{{1,2}}|{_one_of(_ENGLISH[1:])}|twenty|twenty-five)"
        rf"(?: minutes?)? (?P<side>past|to) (?P<hour>{_HOUR_EN})(?: ?(?P<half>{_AM_PM}))?",
        _on_the_dial,
    ),
    (rf"(?P<hour>{_HOUR_EN}) ?o'? ?clock(?: ?(?P<half>{_AM_PM}))?", _on_the_dial),
    (r"(?P<hour>\d{1,2})(?:h| h )(?P<minute>[0-5]\d)(?: ?(?:min|mn|m))?", _FRENCH_HOURS),
    (rf"(?P<hour>\d{{1,2}})h (?P<minute>[0-5]\d)(?: ?(?:min|mn))?{_NEXT}", _FRENCH_HOURS),
    # Half past, or so many of what follows?
    (r"\d{1,2} ?h \d{1,2}", Role.DOUBT),
    (
        rf"(?P<hour>{_TWENTY_FOUR}) heures? (?P<minute>{_MINUTES_FR})(?: min(?:utes)?)?{_NEXT}",
        _FRENCH_HOURS,
    ),
    (rf"(?P<hour>{_TWENTY_FOUR})(?: heures?| ?h){_BEHIND}", _FRENCH_HOURS),
    (r"(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::00)?", _COLON),
    (rf"(?:12 )?(?:midi|noon|midday){_BEHIND}", lambda found: _after_hour(_NOON, found["behind"])),
    # The day's end, as of a day without a time: the last minute that is still that day.
    (
        r"(?:minuit|midnight)(?! et (?:demie?|quart)(?: |$))",
        Clock(hour=23, minute=59, sure=Sure.FIXED),
    ),
    (r"at (?P<hour>\d{1,2})\.(?P<minute>[0-5]\d)", _AT_NUMBER),
    (rf"(?:at|@) (?P<hour>{_HOUR_EN}){_NOT_A_CLOCK}{_NEXT}", _AT_NUMBER),
    (rf"(?:a |@)(?P<hour>\d{{1,2}}){_NOT_A_CLOCK}{_NEXT}", _AT_NUMBER),
    (rf"(?:(?:at|a|@) |@)\d{{1,4}}{_NOT_A_CLOCK}", Role.DOUBT),
    # Days by their name.
    (r"(?:the )?day after tomorrow|apres[- ]demain", Days(count=2)),
    (
        r"(?:day|jour|veille|night|week|semaine) (?:before|after|avant|apres|d'avant|d'apres)",
        Role.DOUBT,
    ),
    (r"demain|tomorrow|tmrw|tmr|tmw", Days(count=1)),
    (r"aujourd'? ?hui|today|auj|ajd", Days(count=0)),
    (
        rf"(?:first|second|third|last|premier|deuxieme|dernier|black|cyber|good|easter) {_WEEKDAY}"
        rf"|{_WEEKDAY} (?:saint|gras|week|school|roast|dernier|passe)",
        Role.DOUBT,
    ),
    (
        rf"(?:(?P<before>next|this|ce|coming) )?(?P<weekday>{_WEEKDAY})"
        r"(?P<behind> prochain| qui vient)?",
        _weekday,
    ),
    (rf"(?P<weekday>{_one_of(_SHORT_AND_DOTTED)})\.(?! *$)", _weekday),
    (rf"(?P<weekday>{_one_of(_SHORT_WEEKDAYS)}){_SHORT_BEFORE}", _weekday),
    # Phrases.
    (
        r"(?:de la semaine|du mois|de l'annee)(?! prochaine?| derniere?| suivante?| passee?)"
        r"|of the week|of the month|a l'heure",
        Role.WORD,
    ),
    ("|".join(_DOUBTS.strip().splitlines()), Role.DOUBT),
    (r"au plus tard(?: le| a)?|at the latest|no later than|d'ici(?: a| au| le)?", Role.OPENER),
    (r"a partir (?:de|du)|as of", Role.SPOILER),
    (r"jusqu'a|jusqu'au|jusqu'en", Role.UNTIL),
    (r"\d+", Role.NUMBER),
]
_PATTERNS = [(re.compile(rf"(?:{text})(?= |$)"), meaning) for text, meaning in _READINGS]
_ROLE_WORDS = [
    (
        Role.NEAR,
        f"""
        jeu sam dim mer mar mon sun sat soiree matinee quart demi quarter half early late mid fin
        mi tot tard ish past last dernier derniere passe dem tom 2main 2morrow tantot daily weekly
        monthly yearly nightly quotidien quotidienne hebdo hebdomadaire mensuel mensuelle annuel
        eve reveillon now maintenant asap utc gmt pst pdt edt bst cest est
        {_HOLIDAYS.replace("|", " ")} {" ".join(_MONTHS_AND_WORDS)}
        """,
    ),
    (
        Role.DOUBT,
        f"""
        hier avant-hier yesterday ago lendemain surlendemain veille everyday heure heures hour hours
        hrs o'clock oclock h am pm a.m p.m hourly week weeks semaine semaines month months mois
        fortnight quinzaine weekend weekends week-end week-ends weekday weekdays eod cob eob eow eom
        eoy biweekly fortnightly lun ven tue tues wed thu thur thurs fri lunchtime dawn dusk sunset
        sunrise noonish aube crepuscule matins soirs aprems mornings evenings nights afternoons
        {" ".join(_MONTHS.keys() - _MONTHS_AND_WORDS)}
        """,
    ),
    (Role.OPENER, "vers around approx environ pour for by due at a @ le on ce cet"),
    (Role.UNTIL, "until till til"),
    (Role.BEFORE, "avant before"),
    (
        Role.SPOILER,
        """
        apres after des from since depuis de du of to entre between or ou not pas sauf except about
        un une an my ton in en dans during the les ni but vs starting than au aux -> => / ~ sous
        """,
    ),
    (
        Role.LASTS,
        """
        pendant durant duree dure lasts takes dormir travailler reviser courir marcher etudier
        bosser nager sleep work study run walk
        """,
    ),
    (Role.DASH, "-"),
]
_ROLES = {word: role for role, words in _ROLE_WORDS for word in words.split()}
_NAMED_DAYS = {*WEEKDAYS, "demain", "tomorrow", "today", "aujourd'hui", "tonight", "yesterday"}
_OFTEN_MISSPELT = [*_NAMED_DAYS, "apres-demain", "afternoon", "evening", "minuit", "midnight"]
_NO_TYPOS = {"domain", "sundae"}
_LIKE_A_WEEKDAY = re.compile(r"[mtwfs]\w{3,7}day$|[lmjvsd]\w{2,7}di$")
_NO_WEEKDAYS = {"midday", "someday", "vivaldi", "mehdi", "saudi", "verdi", "mundi"}
_LIKE_A_TIME = re.compile(
    r"\d ?h(?:\d|\b)|\d:\d\d|\d(?:am|pm|a\.m|p\.m)\b|^\d{1,2}(?::\d\d)?[ap]$|^\d{1,2}/\d{1,2}"
    r"|^\d{4}[-/]\d\d?[-/]\d\d?|^\d{1,2}-\d{1,2}-\d{2,4}$|^\d{1,2}\.\d{1,2}\.\d{2,4}$"
    r"|^\d+(?:-\d+)?(?:h|hrs?|min|mins|mn|heures?|hours?|j|jours?|days?|semaines?|weeks?|mois|"
    r"months?|-?ish)$|^[jhdt][-+]\d+$|^\d\d?h$"
)
_PIECES = re.compile(r"[^a-z0-9:.']+")


def _speaks_of_time(word: str) -> bool:
    """Such as "25h", "14h75", "lundi/mardi", "friday's", "tommorow"."""
    if _LIKE_A_TIME.search(word):
        return True
    pieces = [piece.removesuffix("'s") for piece in _PIECES.split(word) if piece]
    return any(_names_a_time(piece, alone=piece == word) for piece in pieces)


def _names_a_time(piece: str, *, alone: bool) -> bool:
    if piece in _NAMED_DAYS or piece.removesuffix("s") in WEEKDAYS or _LIKE_A_TIME.search(piece):
        return True
    if _LIKE_A_WEEKDAY.match(piece) and piece not in _NO_WEEKDAYS:
        return True
    if not alone:
        names = _SHORT_AND_DOTTED.keys() | _PART_NAMES
        return _ROLES.get(piece) is Role.DOUBT or piece in names
    return piece not in _NO_TYPOS and any(_is_a_typo(piece, of) for of in _OFTEN_MISSPELT)


_DOUBLED = re.compile(r"(.)\1+")


def _is_a_typo(word: str, of: str) -> bool:
    """One letter too many, missing, wrong, doubled, or two that changed places."""
    if _DOUBLED.sub(r"\1", word) == _DOUBLED.sub(r"\1", of):
        return True
    if abs(len(word) - len(of)) > 1 or len(of) <= len("lundi") or word[0] != of[0]:
        return False
    same = 0
    while same < min(len(word), len(of)) and word[same] == of[same]:
        same += 1
    mine, right = word[same:], of[same:]
    return (
        mine[1:] == right
        or mine == right[1:]
        or mine[1:] == right[1:]
        or (mine[:2] == right[1::-1] and mine[2:] == right[2:])
    )


_DOTTED = re.compile(rf"(?:mar|{_one_of(_SHORT_AND_DOTTED)})\.$")


def plain(word: str) -> str:
    """Without capitals, accents, and the punctuation around it; never empty, never with a space."""
    letters = unicodedata.normalize("NFKD", word).lower()
    kept = (each for each in letters if unicodedata.category(each) not in {"Mn", "Cf"})
    text = "".join("".join(kept).split())
    for typed, meant in (("’", "'"), ("ʼ", "'"), ("–", "-"), ("—", "-"), ("−", "-"), ("‑", "-")):
        text = text.replace(typed, meant)
    bare = text.strip("()[]{}\"'«»“”*_,;:!?…").lstrip(".~")
    if not _DOTTED.match(bare):
        bare = bare.rstrip(".,;:!?)")
    return bare or text or "·"


def tokens_of(words: list[str]) -> list[Token]:
    """All words, each in one token."""
    plains = [plain(word) for word in words]
    line, starts, begin = " ".join(plains), {}, 0
    for index, word in enumerate(plains):
        starts[begin] = index
        begin += len(word) + 1
    starts[len(line) + 1] = len(words)
    found: list[Token] = []
    position = 0
    while position < len(line):
        end, meaning = _token_at(line, position)
        first, last = starts[position], starts[end + 1]
        found.append(Token(first=first, last=last, text=line[position:end], meaning=meaning))
        position = end + 1
    return found


def _token_at(line: str, position: int) -> tuple[int, Meaning]:
    if rhythm := rhythm_at(line, position):
        return rhythm
    for pattern, meaning in _PATTERNS:
        if found := pattern.match(line, position):
            return found.end(), meaning(found) if callable(meaning) else meaning
    end = line.find(" ", position)
    end = len(line) if end < 0 else end
    word = line[position:end]
    role = _ROLES.get(word.rstrip("."))
    if role is None:
        role = Role.DOUBT if _speaks_of_time(word) else Role.WORD
    return end, role
