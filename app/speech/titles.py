"""What people write in a title, turned into what they say: "TP3", "B2.04", "14h30". Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from speech import numbers
from speech.numbers import Language, counted, in_words, ordinal
from speech.times import calendar_day, clock, french_day

# A longer title is cut for the ear, and to need few requests; the page shows it whole.
LONGEST = 300
DAYS_OF_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
HOURS = 24
NOON = 12

ALWAYS_FRENCH = "vingt-quatre heures sur vingt-quatre, sept jours sur sept"
ALWAYS_ENGLISH = "twenty-four seven"

Say = Callable[[re.Match[str], Language], str | None]
"""Returns None to leave the match as it was written."""


Rule = tuple[re.Pattern[str], Say]


def spoken_title(title: str, *, language: Language) -> str:
    """Return `title` as it is said; "sans titre" or "untitled" when nothing in it can be said."""
    text = _cleaned(_ruled(title[: 10 * LONGEST], BEFORE_CLEANING, language))
    short = text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0]
    text = _ruled(short, RULES, language)
    text = re.sub(r"\s+([,.])", r"\1", " ".join(text.split()))
    # Letters, digits and symbols such as emoji; not a title of punctuation alone.
    kinds = {unicodedata.category(character) for character in text}
    if any(kind[0] in {"L", "N"} or kind == "So" for kind in kinds):
        return text
    return "sans titre" if language == "fr" else "untitled"


def _ruled(text: str, rules: tuple[Rule, ...], language: Language) -> str:
    for pattern, say in rules:

        def said(match: re.Match[str], say: Say = say) -> str:
            words = say(match, language)
            return match.group() if words is None else words

        text = pattern.sub(said, text)
    return text


def _cleaned(title: str) -> str:
    """One line, no control characters, none of the brackets that espeak-ng reads as phonemes."""
    text = unicodedata.normalize("NFC", title)
    text = "".join(" " if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} else c for c in text)
    text = re.sub(r"[\[\]{}<>*_~`|\\]+", " ", text)
    # "!!!!!" or the same emoji ten times would be read out ten times.
    return " ".join(re.sub(r"([^\w\s])\1+", r"\1", text).split())


def _said(french: str | None, english: str | None) -> Say:
    """Templates of `re`: r"\1" is the first group."""

    def say(match: re.Match[str], language: Language) -> str | None:
        template = french if language == "fr" else english
        return None if template is None else match.expand(template)

    return say


def _date(match: re.Match[str], language: Language) -> str | None:
    """Day before month, also in English: this agenda lives in Europe."""
    day, month = int(match["day"]), int(match["month"])
    if not (1 <= month <= len(DAYS_OF_MONTH) and 1 <= day <= DAYS_OF_MONTH[month - 1]):
        return None
    year = int(match["year"]) if match["year"] else None
    return calendar_day(day, month, year, language=language)


def _hour(match: re.Match[str], language: Language) -> str:
    """ "14h30" is a time; "48h" is how long something takes."""
    hour, minute = int(match[1]), int(match[2] or 0)
    if hour < HOURS:
        return clock(hour, minute, language=language)
    return _hours_and_minutes(match, language)


def _hours_and_minutes(match: re.Match[str], language: Language) -> str:
    """ "1h30min" is how long something takes, never a time of day."""
    hours, minutes = counted(int(match[1]), "heure", "hour", language), int(match[2] or 0)
    return f"{hours} {in_words(minutes, language)}" if minutes else hours


def _half_day_hour(match: re.Match[str], language: Language) -> str:
    hour = int(match[1]) % NOON + (NOON if match[3].lower() == "p" else 0)
    return clock(hour, int(match[2] or 0), language=language)


def _room(match: re.Match[str], language: Language) -> str:
    """ "B2.04" is "B deux zéro quatre": the building, the floor, the door."""
    return " ".join([match[1], _number(match[2], language), _number(match[3], language)])


def _number(digits: str, language: Language) -> str:
    """A number in words; digit by digit when it starts with 0, as people read a door or a code."""
    if digits.startswith("0") and len(digits) > 1:
        return " ".join(_digit(digit, language) for digit in digits)
    if int(digits) > numbers.LARGEST:
        return digits
    return in_words(int(digits), language)


def _digit(digit: str, language: Language) -> str:
    return "oh" if digit == "0" and language == "en" else in_words(int(digit), language)


def _date_range(match: re.Match[str], language: Language) -> str | None:
    """ "10-12/03" is "dix au douze mars"."""
    last = _date(match, language)
    if last is None or not 1 <= int(match["first"]) < int(match["day"]):
        return None
    if language == "fr":
        return f"{french_day(int(match['first']))} au {last}"
    return f"the {numbers.english_ordinal(int(match['first']))} to {last}"


def _label(match: re.Match[str], language: Language) -> str:
    """ "tp3" and "TP-3" are "TP trois": capitals, so that the letters are spelled."""
    return f"{match[1].upper()} {_number(match[2], language)}"


def _ordinal(match: re.Match[str], language: Language) -> str | None:
    number = int(match[1])
    return ordinal(number, language) if number > 1 else None


def _price(match: re.Match[str], language: Language) -> str:
    return f"{match[1]} euros {match[2].lstrip('0')}".strip()


def _rule(pattern: str, say: Say) -> Rule:
    return re.compile(pattern, re.IGNORECASE), say


def _exact(pattern: str, say: Say) -> Rule:
    return re.compile(pattern), say


BEFORE_CLEANING = (
    _rule(r"https?://(?:www\.)?([^\s/?#]+)\S*", _said(r"lien vers \1", r"link to \1")),
    _rule(r"\s*(?:[-=]+>|→)\s*", _said(" vers ", " to ")),
    # Before the marks that are written twice become one.
    _rule(r"(?<=\w)\+\+(?!\w)", _said(" plus plus", " plus plus")),
)
RULES = (
    _rule(r"\b([\w.+-]+)@([\w-]+(?:\.[\w-]+)+)", _said(r"\1 arobase \2", r"\1 at \2")),
    _rule(r"(?<![\w/.-])(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})(?![\w/-])", _date),
    _rule(r"(?<![\w/.-])(?P<day>\d{1,2})/(?P<month>\d{2})(?:/(?P<year>\d{4}))?(?![\w/])", _date),
    _rule(r"(?<![\w/.-])(?P<day>\d{1,2})\.(?P<month>\d{2})\.(?P<year>\d{4})(?![\w/.])", _date),
    _rule(
        r"(?<![\w/.-])(?P<first>\d{1,2})\s?[-–]\s?(?P<day>\d{1,2})/(?P<month>\d{2})"
        r"(?:/(?P<year>\d{4}))?(?![\w/])",
        _date_range,
    ),
    # "12/3" alone may be a mark out of 3; after a word of dates it is a day.
    _rule(r"\b(?<=le )(?P<day>\d{1,2})/(?P<month>\d)(?P<year>(?!))?(?![\w/])", _date),
    _rule(r"\b24 ?h?/(?:24 ?)?[,;]? ?7 ?[jd]?(?:/7)?\b", _said(ALWAYS_FRENCH, ALWAYS_ENGLISH)),
    _rule(r"\b24 ?h/24\b", _said("vingt-quatre heures sur vingt-quatre", "round the clock")),
    _rule(r"\b7 ?[jd]/7\b", _said("sept jours sur sept", "seven days a week")),
    # A dash between two times, while both are still written as times.
    _rule(r"\b(\d{1,2}(?:h|:)(?:[0-5]\d)?)\s?[-–—]\s?(?=\d{1,2}[h:])", _said(r"\1 à ", r"\1 to ")),
    _rule(r"\b(1[0-2]|0?[1-9])(?:[:.]([0-5]\d))?\s?([ap])\.?m\b\.?", _half_day_hour),
    _rule(r"\b(\d{1,2})\s?h\s?([0-5]?\d)\s?(?:min|mn)\b", _hours_and_minutes),
    _rule(r"(?<![.,\d])(\d{1,2})\s?h(?:\s?([0-5]\d))?\b", _hour),
    _rule(r"(?<![\d:])([01]?\d|2[0-3]):([0-5]\d)(?![\d:])", _hour),
    _rule(
        r"\b(\d{1,4})\s?(?:min|mn)\b",
        lambda match, to: counted(int(match[1]), "minute", "minute", to),
    ),
    _exact(r"\b([A-Z]|[a-uw-z](?=\d\.))\s?(\d{1,2})\.(\d{2,3})\b(?!\.\d)", _room),
    _rule(r"\b1er\b", _said("premier", "first")),
    _rule(r"\b1(?:re|ère)\b", _said("première", "first")),
    _rule(r"(?<=\d)[-–](?=[a-z]{1,5}\d)", _said(" à ", " to ")),
    _rule(r"\b(\d{1,4})(?:e|è?me|ième)\b", _ordinal),
    _rule(r"\b(tp|td|cm|ds|cc|qcm|ue)[ -]?(\d{1,4})\b(?!\.\d)", _label),
    _exact(
        r"\b([A-Z]{1,5}) ?(\d{1,9})\b(?!\.\d)",
        lambda match, to: f"{match[1]} {_number(match[2], to)}",
    ),
    # Ten digits in pairs are a telephone number: the pairs, without their dots.
    _rule(r"\b0\d(?:[.-]\d\d){4}\b", lambda match, _: re.sub(r"[.-]", " ", match.group())),
    _rule(
        r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])",
        lambda match, _: match.group().replace(".", " point "),
    ),
    _rule(
        r"(?<![\d .,])(\d{1,3})((?: \d{3})+)(?![\d]| \d)",
        lambda match, _: match.group().replace(" ", ""),
    ),
    _rule(r"€ ?(\d+)\b", _said(r"\1 euros", r"\1 euros")),
    _rule(r"(?<![\d.,])(\d+)[.,](\d\d) ?€", _price),
    _rule(r"(?<![\w.,])(\d+)[.,](\d+)(?![\w.,]*\d)", _said(r"\1,\2", r"\1.\2")),
    _rule(r"(?<=\d) ?°(?: ?C\b)?", _said(" degrés", " degrees")),
    _exact(r"\bC#(?!\w)", _said("C dièse", "C sharp")),
    _rule(r"(?<=\w)\+(?=\d)", _said(" plus ", " plus ")),
    _rule(r"(?<!\S)@(?!\S)", _said("à", "at")),
    _rule(r"(?<!\w)pp?\. ?(?=\d)", _said("page ", "page ")),
    _rule(r"(?<!\w)chap?\. ?(?=\d)|(?<!\w)ch\. ?(?=\d)", _said("chapitre ", "chapter ")),
    _rule(r"(?<!\w)ex\. ?(?=\d)", _said("exercice ", "exercise ")),
    _rule(
        r"\b(pages?|chapitres?|chapters?|exercices?|exercises?) (\d+) ?[-–] ?(\d+)\b",
        _said(r"\1 \2 à \3", r"\1 \2 to \3"),
    ),
    _exact(r"\bM\. (?=[A-ZÀ-Þ])", _said("monsieur ", None)),
    _rule(r"\bmme\b\.?", _said("madame", None)),
    _rule(r"\bmlle\b\.?", _said("mademoiselle", None)),
    _exact(r"\bDr\b\.?", _said("docteur", "doctor")),
    _exact(r"\bPr\b\.? (?=[A-ZÀ-Þ])", _said("professeur ", "professor ")),
    _rule(r"(?<!\w)w/o(?!\w)", _said(None, "without")),
    _rule(r"(?<!\w)w/(?= )", _said(None, "with")),
    _rule(r"(?<!\w)n° ?(?=\d)", _said("numéro ", "number ")),
    _rule(r"(?<=\d) ?%", _said(" pour cent", " percent")),
    _rule(r"(?<=\d) ?€", _said(" euros", " euros")),
    _rule(r" ?& ?", _said(" et ", " and ")),
    _rule(r"(?<=\d)/(?=\d)", _said(" sur ", " out of ")),
    _rule(r"(?<=\w)/(?=\w)", _said(" ", " ")),
    _rule(r"(?<!\w)[#@](?=\w)", _said("", "")),
    _rule(r"\brdv\b", _said("rendez-vous", "appointment")),
    _rule(r"\bsvp\b", _said("s'il vous plaît", "please")),
    _rule(r"\basap\b", _said("dès que possible", "as soon as possible")),
    _rule(r"\btél\b\.?", _said("téléphone", "phone")),
)
