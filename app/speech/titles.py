"""What people write in a title, turned into what they say: "TP3", "B2.04", "14h30". Pure.

Abbreviations and units are tables (abbreviations.py); here is what needs more than a table. The
order of the rules counts: what one has put into words is no longer a number for the next.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

from speech import numbers
from speech.numbers import Language, counted, in_words, ordinal
from speech.times import calendar_day, clock, french_day, month_name, weekday_name
from speech.wordlists import (
    BEFORE_NUMBER,
    CAPITAL_WORDS,
    DOMAINS,
    DOTTED,
    FILES,
    LABELS,
    LETTERS,
    MONTHS,
    PARTS,
    PER,
    RULERS,
    SCRIPTS,
    SPELLED,
    UNITS,
    WEEKDAYS,
    WORDS,
    Table,
    is_feminine,
)

# A longer title is cut for the ear, and to need few requests; the page shows it whole.
LONGEST = 300
DAYS_OF_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
HOURS = 24
NOON = 12
# "2h" in English is how long something takes; from here on it may be a time of day.
ENGLISH_MORNING = 7
CENTURY = 2000

ALWAYS_FRENCH = "vingt-quatre heures sur vingt-quatre, sept jours sur sept"
ALWAYS_ENGLISH = "twenty-four seven"

Say = Callable[[re.Match[str], Language], str | None]
"""Returns None to leave the match as it was written."""


Rule = tuple[re.Pattern[str], Say]


def spoken_title(title: str, *, language: Language) -> str:
    """Return `title` as it is said; "sans titre" or "untitled" when nothing in it can be said."""
    text = _cleaned(_ruled(title[: 10 * LONGEST], BEFORE_CLEANING, language))
    if not LATIN.search(text) and (strange := STRANGE.search(text)):
        return _unread(strange, language, is_all=True)
    text = STRANGE.sub(lambda words: f" {_unread(words, language, is_all=False)} ", text)
    short = text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0]
    is_loud = not any(map(str.islower, short))
    text = _ruled(short, (*RULES, LOUD if is_loud else CAPITALS), language)
    text = re.sub(r"\s+([,.])", r"\1", " ".join(text.split()))
    # Letters, digits and symbols such as emoji; not a title of punctuation alone.
    kinds = {unicodedata.category(character) for character in text}
    if any(kind[0] in {"L", "N"} for kind in kinds):
        return " ".join(PICTURES.sub(" ", text).split())
    if "So" in kinds:
        return text
    return "sans titre" if language == "fr" else "untitled"


def _ruled(text: str, rules: tuple[Rule, ...], language: Language) -> str:
    for pattern, say in rules:

        def said(match: re.Match[str], say: Say = say) -> str:
            words = say(match, language)
            return match.group() if words is None else words

        text = pattern.sub(said, text)
    return text


def _unread(words: re.Match[str], language: Language, *, is_all: bool) -> str:
    """One sentence instead of the name of each letter: both voices know Latin letters alone."""
    script = unicodedata.name(words.group()[0], "").partition(" ")[0]
    named = SCRIPTS.get(script, {"fr": "étrangers", "en": "foreign"})[language]
    if language == "fr":
        what = "un titre" if is_all else "des mots" if " " in words.group() else "un mot"
        return f"{what} en caractères {named}{', que la voix ne sait pas lire' * is_all}"
    what = "a title" if is_all else "words" if " " in words.group() else "a word"
    return f"{what} in {named} characters{', which the voice cannot read' * is_all}"


def _cleaned(title: str) -> str:
    """One line, no control characters, none of the brackets that espeak-ng reads as phonemes."""
    text = unicodedata.normalize("NFC", title).translate(RAISED)
    text = DRESSED.sub(lambda letters: unicodedata.normalize("NFKC", letters.group()), text)
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


def _listed(table: Table, *, after: str = "") -> Say:
    """The words that stand in `table` for the group "name"."""
    folded = {name.lower(): said for name, said in table.items()}

    def say(match: re.Match[str], language: Language) -> str | None:
        words = folded[match["name"].lower()].get(language)
        return words and words + after

    return say


def _names(table: Iterable[str]) -> str:
    """The longest first: "mm" is no "m"."""
    return "|".join(map(re.escape, sorted(table, key=len, reverse=True)))


def _address(match: re.Match[str], language: Language) -> str:
    """ "a.b@insa.fr" is "a point b arobase insa point fr"."""
    to = (
        ("arobase", "point", "tiret bas", "plus")
        if language == "fr"
        else ("at", "dot", "underscore", "plus")
    )
    text = match.group()
    for sign, word in zip("@._+", to, strict=True):
        text = text.replace(sign, f" {word} ")
    return text


def _link(match: re.Match[str], language: Language) -> str:
    return f"{'lien vers' if language == 'fr' else 'link to'} {_site(match, language)}"


def _site(match: re.Match[str], language: Language) -> str:
    """The host of an address: what stands behind it, nobody says."""
    point = "point" if language == "fr" else "dot"
    return match["host"].removeprefix("www.").replace(".", f" {point} ")


def _file(match: re.Match[str], language: Language) -> str:
    return f" {'point' if language == 'fr' else 'dot'} {' '.join(match[1].upper())}"


def _date(match: re.Match[str], language: Language) -> str | None:
    """Day before month, also in English: this agenda lives in Europe. English alone tries the other
    way round where that is no date.
    """
    is_numbered = LABEL.search(match.string[: match.start()])
    if not match["year"] and is_numbered and not TIMED.match(match.string, match.end()):
        return None
    day, month = int(match["day"]), int(match["month"])
    is_named = bool(match["year"] or match.groupdict().get("before"))
    if language == "en" and month > len(DAYS_OF_MONTH) and is_named:
        day, month = month, day
    if not (1 <= month <= len(DAYS_OF_MONTH) and 1 <= day <= DAYS_OF_MONTH[month - 1]):
        return None
    year = int(match["year"]) if match["year"] else None
    if year is not None and len(match["year"]) == 2:  # noqa: PLR2004
        year += CENTURY
    return calendar_day(day, month, year, language=language)


def _dated(match: re.Match[str], language: Language) -> str | None:
    """ "lundi 3/4": behind a word of dates."""
    date = _date(match, language)
    return date and f"{match['before']} {date}"


def _date_range(match: re.Match[str], language: Language) -> str | None:
    """ "10-12/03" is "dix au douze mars"."""
    last = _date(match, language)
    if last is None or not 1 <= int(match["first"]) < int(match["day"]):
        return None
    if language == "fr":
        return f"{french_day(int(match['first']))} au {last}"
    return f"the {numbers.english_ordinal(int(match['first']))} to {last}"


def _named_day(match: re.Match[str], language: Language) -> str | None:
    """ "1 mars", "10-12 March", "March 5": the name of the month may be short."""
    month, days = MONTHS[match["name"].lower()], DAYS_OF_MONTH[MONTHS[match["name"].lower()] - 1]
    first, day = int(match["first"] or 0), int(match["day"])
    is_tuesday = language == "fr" and match["name"].lower() == "mar"
    if is_tuesday or not 1 <= day <= days or (first and first >= day):
        return None
    date = calendar_day(day, month, None, language=language)
    if not first:
        return date
    if language == "fr":
        return f"{french_day(first)} au {date}"
    return f"the {numbers.english_ordinal(first)} to {date}"


def _month(match: re.Match[str], language: Language) -> str:
    name = match["name"].lower()
    number = int(name) if name.isdecimal() else MONTHS[name]
    return month_name(number, language=language) + " " * name.isdecimal()


def _weekdays(match: re.Match[str], language: Language) -> str:
    """ "lun-ven" is "lundi à vendredi", of more than two each is named."""
    written = re.findall(r"[^\W\d_]+", match.group().lower())
    names = [weekday_name(WEEKDAYS[day], language=language) for day in written]
    is_range = len(names) == 2 and re.search("[-–]", match.group())  # noqa: PLR2004
    return (f" {_to(language)} " if is_range else ", ").join(names)


def _english_weekday(match: re.Match[str], language: Language) -> str | None:
    return _weekdays(match, language) if language == "en" else None


def _english_day(match: re.Match[str], language: Language) -> str | None:
    return _named_day(match, language) if language == "en" else None


def _hour(match: re.Match[str], language: Language) -> str:
    """ "14h30" is a time; "48h" is how long something takes."""
    hour, minute = int(match[1]), int(match[2] or 0)
    if hour < HOURS and (language == "fr" or hour >= ENGLISH_MORNING or ":" in match.group()):
        return clock(hour, minute, language=language)
    return _hours_and_minutes(match, language)


def _hours_and_minutes(match: re.Match[str], language: Language) -> str:
    """ "1h30min" is how long something takes, never a time of day."""
    hours, minutes = counted(int(match[1]), "heure", "hour", language), int(match[2] or 0)
    return f"{hours} {in_words(minutes, language)}" if minutes else hours


def _hour_range(match: re.Match[str], language: Language) -> str | None:
    """ "8-10h" is "huit à dix heures": the last hour says what both are."""
    first, last = int(match[1]), int(match[2])
    if first >= last:
        return None
    if language == "en" and ENGLISH_MORNING <= first < last < HOURS:
        return f"{clock(first, 0, language=language)} to {match[2]}h"
    return f"{in_words(first, language, feminine=True)} {_to(language)} {match[2]}h{match[3] or ''}"


def _half_day_hour(match: re.Match[str], language: Language) -> str:
    hour = int(match[1]) % NOON + (NOON if match[3].lower() == "p" else 0)
    return clock(hour, int(match[2] or 0), language=language)


def _half_day_range(match: re.Match[str], language: Language) -> str:
    """ "7-9pm" is in the evening, "11-1pm" begins in the morning."""
    first, last, half = int(match[1]), int(match[4]), match[5].lower()
    if first % NOON > last % NOON:
        half = "a" if half == "p" else "p"
    return f"{match[1]}{match[2] or ''}{half}m {_to(language)} {match[3]}"


def _to(language: Language) -> str:
    return "à" if language == "fr" else "to"


def _room(match: re.Match[str], language: Language) -> str:
    """ "B2.04" is "B deux zéro quatre": the building, the floor, the door."""
    return " ".join([match[1], _number(match[2], language), _number(match[3], language)])


def _number(digits: str, language: Language) -> str:
    """A number in words; digit by digit when it starts with 0, as people read a door or a code."""
    if digits.startswith("0") and len(digits) > 1:
        return _digits(digits, language)
    if int(digits) > numbers.LARGEST:
        return digits
    if language == "en" and re.fullmatch(r"[1-9](?!00)\d\d|(?:19|20)\d\d", digits):
        return numbers.english_year(int(digits))
    return in_words(int(digits), language)


def _digits(written: str, language: Language) -> str:
    """Each digit for itself; what stands between groups of them is a breath."""
    groups = re.findall(r"\d+", written)
    return ", ".join(" ".join(_digit(digit, language) for digit in group) for group in groups)


def _digit(digit: str, language: Language) -> str:
    return "oh" if digit == "0" and language == "en" else in_words(int(digit), language)


def _phone(match: re.Match[str], language: Language) -> str:
    """A French number is said in pairs, any other digit by digit; "+33" is said, "(0)" is not."""
    written = match.group().replace("(0)", "")
    digits = re.sub(r"\D", "", written)
    plus, french = "", digits
    if written.startswith("+"):
        plus, french = "plus ", digits.removeprefix("33")
    if len(french) == FRENCH_PHONE - bool(plus) and french.startswith("0") != bool(plus):
        pairs = re.findall(r"^\d(?=(?:\d\d)+$)|\d\d", french)
        return plus + " ".join(["33", *pairs] if plus else pairs)
    return plus + _digits(written, language)


def _range(match: re.Match[str], language: Language) -> str | None:
    """ "3-5" is "3 à 5", the season "2026-2027" has no word between."""
    first, last = match[1], match[2]
    if (
        first.startswith("0")
        or (last.startswith("0") and last != "0")
        or len(last) > len(first) + 1
    ):
        return None
    is_season = len(first) == YEAR_DIGITS and int(last) % 100 == (int(first) + 1) % 100
    if int(first) >= int(last) and int(first) > LARGEST_SCORE and not is_season:
        return None
    between = " " if is_season or match.group() in WARS else f" {_to(language)} "
    return f"{first}{between}{last}"


def _fraction(match: re.Match[str], language: Language) -> str | None:
    """ "1/2 journée" is "une demi-journée"; "partie 1/2" is one of two parts."""
    if LABEL.search(match.string[: match.start()]):
        return None
    part, noun = match["part"], match["noun"]
    french, english = FRACTIONS[part]
    if language == "fr":
        noun = "heure" if noun == "h" else noun
        if part == "1/2":
            return f"{'une' if is_feminine(noun) else 'un'} demi-{noun}"
        return f"{french} {'d’' if noun == 'heure' else ''}{noun}".replace("’", "'")
    noun = "hour" if noun == "h" else noun
    if noun not in MEASURES:
        return f"{english} {noun}"
    article = "an" if re.match(r"[aeio]|hour", noun) else "a"
    return f"{english} {'' if part == '1/2' else 'of '}{article} {noun}"


def _price(match: re.Match[str], language: Language) -> str:
    """ "3,99 €" is "3 euros 99", "0,99 €" is "99 centimes"."""
    euro, cent = CURRENCIES[match["sign"].lower()][language]
    units, cents = match["units"].lstrip("0"), (match["cents"] or "").lstrip("0")
    if cents and not units:
        return f"{cents} {cent}"
    is_one = units in {"", "1"}
    said = "une" if is_one and euro == "livre" else units or "0"
    return f"{said} {euro if is_one else euro + 's'} {cents}".strip()


def _unit(match: re.Match[str], language: Language) -> str | None:
    """ "30 cm", "1 kg": by the table, in the singular where there is one."""
    words = UNITS[match["name"]].get(language)
    if words is None:
        return None
    number = match["number"].replace(",", ".")
    if number == "1" or (language == "fr" and number.startswith(("0.", "1."))):
        counted_noun, link, rest = words.partition(" d'")
        words = ENGLISH_ONE.get(words) or re.sub(r"(?<!hert)s\b", "", counted_noun) + link + rest
    return f"{match['number']} {words}"


def _large_price(match: re.Match[str], language: Language) -> str | None:
    """ "$10k": the sign comes last, as it is said."""
    power = {"K": "k", "m": "M", "bn": "Md"}.get(match["power"], match["power"])
    words = UNITS[power + match["name"]].get(language)
    return words and f"{match['number']} {words}"


def _per(match: re.Match[str], language: Language) -> str | None:
    words = PER_FOLDED[match["name"].lower()].get(language)
    return words and f"{match['before']} {words}"


def _part(match: re.Match[str], language: Language) -> str:
    return FRACTIONS[match["part"]][language == "en"]


def _room_number(match: re.Match[str], language: Language) -> str:
    link = "-" if language == "en" and match[1] == "A" else " "
    return f"{match[1]}{link}{_number(match[2], language)}"


def _countdown(match: re.Match[str], language: Language) -> str:
    """ "J-3" is three days before."""
    minus = "moins" if language == "fr" else "minus"
    return f"{match[1] or match[2]} {minus} {_number(match[3], language)}"


def _metres(match: re.Match[str], language: Language) -> str:
    """ "1m80"."""
    one = {"fr": "mètre", "en": "metre"}[language]
    return f"{match[1]} {one}{'s' * (match[1] != '1')} {match[2]}"


def _label(match: re.Match[str], language: Language) -> str:
    """ "tp3" and "TP-3" are "TP trois": capitals, so that the letters are spelled."""
    return f"{match[1].upper()} {_number(match[2], language)}"


def _version(match: re.Match[str], language: Language) -> str:
    """ "UE 3.2", "Python 3.11": no decimals, a point in any language."""
    name = "version" if match["name"] == "v" else match["name"]
    name = name.upper() if name.lower() in COURSES else name
    return f"{name} " + " point ".join(
        _number(part, language) for part in match["parts"].split(".")
    )


def _ordinal(match: re.Match[str], language: Language) -> str | None:
    number = int(match[1])
    if number == 1:
        return {"fr": "premier", "en": "first"}[language] if match.group() == "1st" else None
    return ordinal(number, language) if number else None


def _century(match: re.Match[str], language: Language) -> str | None:
    """ "XXIe" is "vingt et unième", "Ier" is "premier"."""
    number = numbers.roman(match["roman"])
    if number == 1:
        french = "premier" if match["ending"] in {"er", "ER"} else "première"
        return french if language == "fr" else "first"
    return ordinal(number, language) if number else None


def _roman(match: re.Match[str], language: Language) -> str | None:
    """ "Louis XIV" is "Louis quatorze" and "Louis the fourteenth", "tome V" is "tome cinq"."""
    number, before = numbers.roman(match["roman"]), match["before"] or ""
    if number is None:
        return None
    is_ruler = before.strip().lower() in RULERS
    if is_ruler and language == "en":
        return f"{before}the {ordinal(number, 'en')}"
    if is_ruler and number == 1:
        return f"{before}premier"
    return before + in_words(number, language)


def _one_and_more(match: re.Match[str], language: Language) -> str | None:
    """ "21 tâches" is "vingt et une tâches"; "exercice 1 page 2" counts no pages."""
    number, noun = int(match["number"]), match["noun"]
    if language != "fr" or LABEL.search(match.string[: match.start()]):
        return None
    if not is_feminine(noun) or (number == 1 and noun.endswith("s") and noun != "fois"):
        return None
    return f"{in_words(number, 'fr', feminine=True)} {noun}"


def _decade(match: re.Match[str], language: Language) -> str:
    """ "1990s" is "nineteen nineties"."""
    words = numbers.english_year(int(match[1])) if match[1] else numbers.english(int(match[2]))
    return f"{words.removesuffix('y')}{'ies' if words.endswith('y') else 's'}"


def _tens(match: re.Match[str], language: Language) -> str | None:
    """ "80s music" is no music of eighty seconds."""
    words = numbers.english(int(match[1])).removesuffix("y")
    return f"{words}ies" if language == "en" else None


def _year(match: re.Match[str], language: Language) -> str | None:
    return numbers.english_year(int(match.group())) if language == "en" else None


def _letters(word: str, language: Language) -> str:
    """A dash, where espeak-ng would take an English "A" for the article."""
    letters = " ".join(word)
    return letters.replace("A ", "A-") if language == "en" else letters


def _capitals(*, is_loud: bool) -> Say:
    """Letter by letter, what is no word; in a title all in capitals, what is on the list alone."""

    def say(match: re.Match[str], language: Language) -> str | None:
        word = match[1]
        is_word = word in CAPITAL_WORDS
        if word in SPELLED[language]:
            is_spelled = not (is_loud and is_word)
        else:
            is_short = len(word) <= SHORT and not VOWELS.isdisjoint(word)
            is_spelled = is_short and not is_loud and not is_word
        return _letters(word, language) if is_spelled else None

    return say


def _rule(pattern: str, say: Say) -> Rule:
    return re.compile(pattern, re.IGNORECASE), say


def _exact(pattern: str, say: Say) -> Rule:
    return re.compile(pattern), say


FRENCH_PHONE = 10
YEAR_DIGITS = 4
LARGEST_SCORE = 20
SHORT = 3
VOWELS = set("AEIOUY")
PER_FOLDED = {name.lower(): said for name, said in PER.items()}
WARS = {"14-18", "39-45"}
COURSES = {"tp", "td", "cm", "ds", "cc", "qcm", "ue", "ec"}
MEASURES = frozenset(("cup", "day", "hour", "inch", "mile", "pint", "pound", "teaspoon", "tsp"))
FRACTIONS = {
    "1/2": ("un demi", "half"),
    "1/3": ("un tiers", "a third"),
    "2/3": ("deux tiers", "two thirds"),
    "1/4": ("un quart", "a quarter"),
    "3/4": ("trois quarts", "three quarters"),
}
CURRENCIES: dict[str, dict[Language, tuple[str, str]]] = {
    "€": {"fr": ("euro", "centimes"), "en": ("euro", "cents")},
    "$": {"fr": ("dollar", "cents"), "en": ("dollar", "cents")},
    "£": {"fr": ("livre", "pence"), "en": ("pound", "pence")},
}
ENGLISH_ONE = {"feet": "foot", "people": "person"}
LATIN = re.compile(r"[a-zA-ZÀ-ɏḀ-ỿ]")
# Scripts that no voice here reads; one or two Greek letters are of a formula, which they do.
STRANGER = (
    r"\u0370-\u1cff\u1f00-\u1fff\u2c00-\u2dff\u3040-\ud7ff\uf900-\ufdff\ufe70-\ufefe"
    r"\U00010000-\U0001cfff\U00020000-\U0003ffff"
)
STRANGE = re.compile(
    rf"(?![\u0370-\u03ff]{{1,2}}(?![{STRANGER}]))[{STRANGER}]"
    rf"(?:[{STRANGER}\u3000-\u303f\u200c\u200d\s]*[{STRANGER}])?"
)
# Bold and other letters of mathematics, and wide ones.
DRESSED = re.compile("[\U0001d400-\U0001d7ff\uff01-\uff5e]+")
RAISED = str.maketrans("ᵉʳᵈⁿˢᵗʰ", "erdnsth")
PICTURES = re.compile(r"[\u2190-\u21ff\u2300-\u2bff\ufe0f\u200d\u20e3\U0001f000-\U0001faff]+")
EMPTY = r"(?P<year>(?!))?"
DAYS, MONTH = _names(WEEKDAYS), _names(MONTHS)
LABEL = re.compile(rf"\b(?:{_names(LABELS)})\.? ?$", re.IGNORECASE)
# "Exam 14/12 à 8h" is no mark.
TIMED = re.compile(r",? ?(?:à|de|at|from|@)? ?\d{1,2} ?(?:h\b|h\d|:\d\d|[ap]\.?m\b)", re.IGNORECASE)
OF_DATES = (
    "le|du|au|avant le|jusqu'au|pour le|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche"
    "|on|by|until|due|monday|tuesday|wednesday|thursday|friday|saturday|sunday"
)
BEFORE_CLEANING = (
    _rule(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+", _address),
    _rule(r"https?://(?P<host>[^\s/?#]+)\S*", _link),
    _rule(rf"(?<![\w@.-])(?P<host>(?:[a-z\d-]+\.)+(?:{_names(DOMAINS)}))\b(?:/\S*)?", _site),
    _rule(r"(?<=[\dhm])\s*(?:[-=]+>|[→⇒➡])\s*(?=\d)", _said(" - ", " - ")),
    _rule(r"\s*(?:[-=]+>|[→⇒➡])\s*", _said(" vers ", " to ")),
    _rule(r"(?<!\S)± ?(?=\d)", _said("plus ou moins ", "plus or minus ")),
    # Before the marks that are written twice become one.
    _rule(r"(?<=\w)\+\+(?!\w)", _said(" plus plus", " plus plus")),
    _rule(r"(?<!\S)[~≈] ?(?=\d)", _said("environ ", "about ")),
    _rule(r"(?<!\S)(?:<=|≤) ?(?=\d)", _said("au plus ", "at most ")),
    _rule(r"(?<!\S)(?:>=|≥) ?(?=\d)", _said("au moins ", "at least ")),
    _rule(r"\s<3(?=\s*$)", _said("", "")),
    _rule(r"(?<=\d) < (?=\d)", _said(" inférieur à ", " less than ")),
    _rule(r"(?<=\d) > (?=\d)", _said(" supérieur à ", " greater than ")),
    _exact(r"Δ(?=[a-zA-Z]\b)", _said("delta ", "delta ")),
    _exact(r"\bUS\$(?=\d)", _said("$", "$")),
    _rule(r"(?<!\S)< ?(?=\d)", _said("moins de ", "less than ")),
    _rule(r"(?<!\S)> ?(?=\d)", _said("plus de ", "more than ")),
    _rule(r"\b(\d+)'(\d\d)\"", _said(r"\1 minutes \2", None)),
    _rule(r"(?<![\w'.,])(\d+)['’](?=\s|$)", _said(r"\1 minutes", None)),
    _rule(r"\b(\d)'(\d\d?)\"", _said(None, r"\1 foot \2")),
    _rule(r"\b(\d\d?(?:[.,]\d)?) ?(?:\"|″|'')(?=\s|$)", _said(r"\1 pouces", r"\1 inch")),
    _rule(r"(?<![\w:])1:1(?![\w:])", _said("un à un", "one on one")),
    _exact(rf"(?<![^\W\d_])(?P<name>[{''.join(LETTERS)}])(?![^\W\d_])", _listed(LETTERS)),
    _rule(r"√ ?(?=\w)", _said("racine de ", "the square root of ")),
    _exact(r"((?<![\w/])(?:mc|[a-ln-zA-LN-Z])|\d|\))²", _said(r"\1 au carré", r"\1 squared")),
    _exact(r"((?<![\w/])[a-ln-zA-LN-Z]|\d|\))³", _said(r"\1 au cube", r"\1 cubed")),
    _rule(r" ?≠ ?", _said(" différent de ", " is not ")),
    _rule(r"(?<=[\w)]) ?= ?(?=[\w(√-])", _said(" égale ", " equals ")),
    _rule(r"\b4x4\b", _said("quatre quatre", "four by four")),
    _rule(
        r"(?<=\d)( ?(?:mm|cm|m|px|ft)?) ?[×x] ?(?=\d+(?:[.,]\d+)? ?(?:mm|cm|m|px|ft)\b)",
        _said(r"\1 sur ", r"\1 by "),
    ),
    _rule(r"(?<=\d) ?[*×x] ?(?=\d)", _said(" fois ", " times ")),
    _rule(r"(?<=\w) ?\^ ?(?=\w)", _said(" puissance ", " to the power of ")),
    _rule(r"(?<=\d) ?½", _said(" et demi", " and a half")),
    _rule(r"½(?= \w)", _said("1/2", "1/2")),
    _rule(r"¼(?= \w)", _said("1/4", "1/4")),
    _rule(r"¾(?= \w)", _said("3/4", "3/4")),
)
AMOUNT = r"\d+(?:[.,]\d+)?"
SLASHED = {name: said for name, said in UNITS.items() if "/" in name}
DATE = r"(?P<day>\d{1,2})(?P<mark>[/.-])(?P<month>\d{1,2})"
FROM_NOW = _said("dans ", None)
TWELVE = "1[0-2]|0?[1-9]"
RULES = (
    _rule(
        rf"(?<![\w.])(?P<name>{_names(BEFORE_NUMBER)})(?:\. ?| |(?<=\w\w)|(?<=[°º№#§]))"
        r"(?=\d|(?-i:[IVX]+)\b)",
        _listed(BEFORE_NUMBER, after=" "),
    ),
    _rule(r"(?<=\d)(st|nd|rd|th) ?[-–] ?(?=\d+(?:st|nd|rd|th)\b)", _said(None, r"\1 to ")),
    _rule(r"(?<=[^\W\d_]) /(?=(?:10|20|40|100)\b)", _said(" sur ", " out of ")),
    _exact(r"\b2d\b(?!/)", _said("second", None)),
    # What people shorten before a word or number.
    _exact(r"\bds (?=\d+ ?(?:h|j|jours?|min|mn|heures?|sem|semaines?|mois|ans?)\b)", FROM_NOW),
    _exact(r"\bds (?=l[aes]s? |l['’]|une? )", FROM_NOW),
    _exact(r"\bpr (?=[a-zà-ÿ0-9])", _said("pour ", None)),
    _exact(r"(?<=\ble |\bau |\bun )kg\b", _said("kilo", None)),
    _exact(r"(?<!\S)- de (?=\w)", _said("moins de ", None)),
    _exact(r"(?<![\w.,])(\d{1,2})p\b", _said(None, r"\1 pence")),
    _exact(r"(?<![\w.,])(\d{2,3})F\b", _said(None, r"\1 degrees Fahrenheit")),
    # Dates.
    _rule(rf"\b(\d{{1,2}})-({MONTH})-(?=\d{{4}}\b)", _said(r"\1 \2 ", r"\1 \2 ")),
    _rule(
        r"(?<![\w/.-])(\d{1,2}/\d\d) ?[-–] ?(?=\d{1,2}/\d\d(?![\w/]))", _said(r"\1 au ", r"\1 to ")
    ),
    _rule(r"(?<![\w/.-])(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})(?![\w/-])", _date),
    _rule(rf"(?<![\w/.-]){DATE}(?P=mark)(?P<year>\d{{4}})(?![\w/-])", _date),
    _rule(r"(?<![\w/.-])(?P<day>\d{1,2})/(?P<month>\d{1,2})/(?P<year>\d{2})(?![\w/])", _date),
    _rule(rf"(?<![\w/.-])(?P<day>\d{{1,2}})(?:er)?/(?P<month>\d{{2}}){EMPTY}(?![\w/])", _date),
    _rule(
        r"(?<![\w/.-])(?P<first>\d{1,2})\s?[-–]\s?(?P<day>\d{1,2})/(?P<month>\d{2})"
        r"(?:/(?P<year>\d{4}))?(?![\w/])",
        _date_range,
    ),
    # "12/3" alone may be a mark out of 3; after a word of dates it is a day.
    _rule(
        rf"\b(?P<before>{OF_DATES}) (?P<day>\d{{1,2}})/(?P<month>\d{{1,2}}){EMPTY}(?![\w/])", _dated
    ),
    _rule(
        r"(?<![\w/.,-])(?:(?P<first>\d{1,2})(?:er|st|nd|rd|th)? ?[-–] ?)?"
        rf"(?P<day>\d{{1,2}})(?:er|st|nd|rd|th)? (?P<name>{MONTH})\b\.?",
        _named_day,
    ),
    _rule(
        rf"\b(?P<name>{MONTH})\b\.? (?:(?P<first>\d{{1,2}}) ?[-–] ?)?"
        r"(?P<day>\d{1,2})(?:st|nd|rd|th)?(?![\w:/%€.-])",
        _english_day,
    ),
    _rule(rf"(?P<name>{MONTH})\.?(?= (?:19|20)\d\d\b)", _month),
    _rule(rf"(?<![\w.])(?:{DAYS})\b\.?(?: ?[-–/,&] ?(?:{DAYS})\b\.?)+", _weekdays),
    _exact(rf"\b(?i:{DAYS})\b\.?(?=,? the \w)", _weekdays),
    _exact(r"\b(?:Tues?|Wed|Thur?s?|Fri)\b(?!\.)", _english_weekday),
    _rule(r"(?<![\w/])(?P<name>0[1-9]|1[0-2])/(?=20\d\d(?![\w/]))", _month),
    # Always.
    _rule(r"\b24 ?h?/(?:24 ?)?[,;]? ?7(?: ?[jd])?(?:/7)?\b", _said(ALWAYS_FRENCH, ALWAYS_ENGLISH)),
    # Telephones and other long numbers, before anything reads a part of them.
    _rule(r"(?<![\w+])0[1-9](?:[ .-]?\d\d){4}(?![\d])", _phone),
    _rule(r"(?<![\w+])\+\d{1,3}(?: ?\(0\))?(?:[ .-]?\(?\d{1,4}\)?){2,6}(?!\d)", _phone),
    _rule(r"(?<![\w(])(?:1[ -])?\(?\d{3}\)?[ .-]\d{3}[.-]\d{4}(?![\d-])", _phone),
    _rule(r"(?<![\w-])\d{3}-\d{4}(?![\d-])", _phone),
    _rule(r"(?:(?<=code )|(?<=pin ))\d{3,8}\b", _phone),
    _rule(r"(?:(?<=appeler le )|(?<=appeler au ))(3\d)(\d\d)\b", _said(r"\1 \2", None)),
    _exact(r"(?<=\d) pp?(?:\.|\b)(?!\w| ?\d|\.m)", _said(" pages", " pages")),
    _exact(r"(?<=\d)(?: et s\.| ?ff\b\.?)", _said(" et suivantes", " and following")),
    _exact(r"(?<=\d(?:st|nd|rd|th)) [Cc]\.(?!\w)", _said(None, " century")),
    _rule(r"(?<!\w)(?<!\d )0\d{2,4} \d{2,4}(?: \d{2,4}){1,3}(?!\d)", _phone),
    _rule(r"(?<![\w.,])0 8\d\d(?: \d\d){3}(?!\d)", _phone),
    _rule(r"(?<![\w.,])\d{7,}(?<!000)(?![.,]?\d)", _phone),
    _rule(
        r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?:/\d\d?)?(?![\d.])",
        lambda match, _: match.group().replace(".", " point ").replace("/", " slash "),
    ),
    _rule(
        r"(?<![\d.,])(?<!\d )(\d{1,3})((?: \d{3})+)(?![\d]| \d)",
        lambda match, _: match.group().replace(" ", ""),
    ),
    # "1.234,56" and "1,234.56" are sure in both languages.
    _rule(
        r"(?<![\w.,])\d{1,3}(?:(?:\.\d{3})+(?=,\d\d\b)|(?:,\d{3})+(?=\.\d\d\b))",
        lambda match, _: re.sub("[.,]", "", match.group()),
    ),
    _rule(
        r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?![\w,])",
        lambda match, to: match.group().replace(",", "") if to == "en" else None,
    ),
    # Parts.
    _rule(r"(?<![\w/.,])(?P<part>[12]/3|[13]/4|1/2)(?= ?(?:de|du|des|of|the)\b| ?d['’])", _part),
    _rule(r"(?<=\d) 1/2(?= \w)", _said(None, " and a half")),
    _rule(r"(?<![\w/.,])(?P<part>[12]/3|[13]/4|1/2) ?(?P<noun>h\b|(?<= )[^\W\d_]{2,})", _fraction),
    # "3 €/kg" before "3 h", which has a line below it too.
    _exact(rf"(?<![\w.,/])(?P<number>{AMOUNT}) ?(?P<name>{_names(SLASHED)})(?!\w)", _unit),
    _rule(
        rf"(?P<before>\d ?(?:[^\W\d_]{{1,12}}|[€$£%°²³])?|[€$£]) ?/ ?"
        rf"(?P<name>{_names(PER)})(?![\w/])",
        _per,
    ),
    # Times.
    _rule(r"(?<=\d)( ?h) ?1/2\b", _said(r"\g<1>30", r"\g<1>30")),
    _rule(
        rf"\b({TWELVE})([:.][0-5]\d)? ?[-–—] ?(({TWELVE})(?:[:.][0-5]\d)? ?([ap])\.?m)\b",
        _half_day_range,
    ),
    _rule(
        rf"\b((?:{TWELVE})(?:[:.][0-5]\d)? ?[ap]\.?m)\b ?[-–—] ?(?=\d)", _said(r"\1 à ", r"\1 to ")
    ),
    _rule(r"(?<![\w:/.,-])(\d{1,2}) ?[-–—] ?(\d{1,2}) ?h([0-5]\d)?\b", _hour_range),
    # A dash between two times, while both are still written as times.
    _rule(
        r"\b(\d{1,2}(?: ?h ?|:)(?:[0-5]\d)?) ?[-–—/] ?(?=\d{1,2} ?[h:]|midi|noon)",
        _said(r"\1 à ", r"\1 to "),
    ),
    _rule(rf"\b({TWELVE})(?:[:.]([0-5]\d))?\s?([ap])\.?m\b\.?", _half_day_hour),
    _rule(r"\b(\d{1,2})\s?h\s?([0-5]?\d)\s?(?:min|mn)\b", _hours_and_minutes),
    _rule(r"(?<![.,\d])(\d{1,2})\s?h(?:\s?([0-5]\d))?\b", _hour),
    _rule(r"(?<![\d:])([01]?\d|2[0-3]):([0-5]\d)(?![\d:])", _hour),
    _rule(r"(?<![\w.,/:+-])(\d{1,4}) ?[-–—] ?(\d{1,4})(?![\d/:-]|[.,]\d|\w\d)", _range),
    _rule(r"(?<![\w/-])((?:19|20)\d\d)/((?:19|20)?\d\d)(?![\w/-])", _range),
    _rule(r"\b((?:1[5-9]|20)\d0)s\b|(?:(?<=the )|')([2-9]0)s\b", _decade),
    _exact(r"\b([2-9]0)s(?= (?:music|party|night|movies?|rock|hits|playlist))", _tens),
    _rule(r"\b(\d) ?ft\.? ?(\d\d?) ?in\b\.?", _said(None, r"\1 foot \2")),
    _exact(
        r"(?:(?<=[Cc]all )|(?<=[Rr]ing )|(?<=[Dd]ial ))(911|999|112|101|111)\b",
        lambda match, to: _digits(match[1], to) if to == "en" else None,
    ),
    _rule(r"(?<=\d)( ?[%€$]) ?[-–] ?(?=\d)", _said(r"\1 à ", r"\1 to ")),
    _rule(
        r"\b(\d{1,4})\s?(?:min|mn)\b",
        lambda match, to: counted(int(match[1]), "minute", "minute", to),
    ),
    # Quantities.
    _rule(r"(?<![\w.,])(\d+)m(\d\d)\b", _metres),
    _rule(r"(?<=\d)°\)", _said(")", ")")),
    _rule(r"(?<![\d.,])(?P<units>\d+)(?P<sign>[€$£])(?P<cents>\d\d)\b", _price),
    _rule(
        r"(?P<sign>[€$£]) ?(?P<units>\d+)(?:[.,](?P<cents>\d\d))?(?![.,]?\d| ?(?:[km]|bn)\b)",
        _price,
    ),
    _rule(r"(?<![\d.,])(?P<units>\d+)(?:[.,](?P<cents>\d\d))? ?(?P<sign>[€$£])(?!\d)", _price),
    _exact(r"(?P<name>[€$£]) ?(?P<number>\d+(?:[.,]\d+)?)(?P<power>[kKMm]|bn)\b", _large_price),
    _exact(
        rf"(?<![\w.,/])(?P<number>{AMOUNT}) ?(?P<name>{_names(UNITS)})(?![\w²³/])(?:\.(?= |$))?",
        _unit,
    ),
    _exact(r"(?<![\w.,])(\d+)k\b", _said(r"\1 mille", None)),
    _exact(r"(?<![\w.,])(\d+(?:[.,]\d+)?)M\b", _said(r"\1 millions", r"\1 million")),
    _rule(r"\b(\d+) ?x\b(?! ?[\d+=^²³-])", _said(r"\1 fois", r"\1 times")),
    _rule(r"(?<!\w)x ?(\d+)\b", _said(r"fois \1", r"times \1")),
    _rule(r"\b50/50\b", _said("cinquante cinquante", "fifty fifty")),
    # Courses, rooms, versions.
    _rule(r"(?<=\d)[-–](?=[a-z]{1,5}\d)|(?<=[a-z]\d)[-–](?=\d\b)", _said(" à ", " to ")),
    _exact(r"\b([A-Z]|[a-uw-z](?=\d\.))\s?(\d{1,2})\.(\d{2,3})\b(?!\.\d)", _room),
    _rule(
        r"\b(?P<name>tp|td|cm|ue|ec|ex|exo|exercice|exercise|section|chapitre|chapter|partie|part"
        r"|python|django|php|java|node|debian|ubuntu|android|ios|v(?=\d)|version|release"
        r"|salle|room|bureau|article|bluetooth|usb|hdmi|wi-fi) ?(?P<parts>\d+(?:\.\d+)+)\b",
        _version,
    ),
    _exact(r"\b(?P<name>[A-ZÉ]{2,5}) ?(?P<parts>\d+(?:\.\d+)+)\b(?! [a-z])", _version),
    _exact(r"\bv(\d+)\b", lambda match, to: f"version {_number(match[1], to)}"),
    _rule(r"\bww ?(?:ii|2)\b", _said("seconde guerre mondiale", "World War Two")),
    _exact(r"\b(?:([DTSR])-|([JH]) ?- ?)(\d{1,3})\b", _countdown),
    _exact(r"(?<=\w)\+(?=\d)", _said(" plus ", " plus ")),
    _rule(r"\b(tp|td|ds|cc|qcm|ue|cm(?<!\d.cm))[ -]?(\d{1,4})\b(?![.,]\d)", _label),
    _exact(
        r"\b([A-Z]{1,5})[ -]?(\d{1,9})\b(?![.,]\d)(?! ?%)",
        _room_number,
    ),
    # Places in a row.
    _exact(r"\b(?P<roman>[IVX]+)(?P<ending>er|re|ère|e|è?me)\b", _century),
    _exact(rf"\b(?P<before>(?i:{_names(RULERS | PARTS)}) )(?P<roman>[IVX]+)\b", _roman),
    _exact(r"(?<![\w.'’-])(?P<before>)(?P<roman>(?!X{2,3}\b)[IVX]{2,})(?![\w'’-])", _roman),
    _rule(r"\b1ers?\b", _said("premier", "first")),
    _rule(r"\b1(?:re|[èe]re)s?\b", _said("première", "first")),
    _rule(r"\b2nde\b", _said("seconde", "second")),
    _rule(r"\b2nd\b", _said("second", "second")),
    _rule(r"\b(\d{1,4})(?:e|è|[èe]?me|i[èe]me|st|nd|rd|th)s?\b", _ordinal),
    _rule(r"(?:(?<=ième)|(?<=premier)) s\.", _said(" siècle", None)),
    # What is left of numbers.
    _rule(r"(?<![\w.,])(\d+)[.,](\d+)(?![\w.,]*\d)", _said(r"\1,\2", r"\1.\2")),
    _rule(r"(?<!\S)[-−](?=\d)", _said("moins ", "minus ")),
    _exact(r"(?<![\w.,$€£/-])(?:1[5-9]|20)\d\d(?![\w.,/:%-])", _year),
    # Abbreviations.
    _exact(r"(?<![\w.])No\.? ?(?=\d)", _said("numéro ", "number ")),
    _rule(
        r"\b(pages?|chapitres?|chapters?|exercices?|exercises?) (\d+) ?[-–] ?(\d+)\b",
        _said(r"\1 \2 à \3", r"\1 \2 to \3"),
    ),
    _rule(
        r"\b(chapter|chapitre|exercice|exercise)(?= \d+ (?:to|à|and|et) \d)",
        _said(r"\1s", r"\1s"),
    ),
    _exact(r"\b([CF])#(?!\w)", _said(r"\1 dièse", r"\1 sharp")),
    _exact(r"\bM\. (?=[A-ZÀ-Þ]|et |l[ea] )", _said("monsieur ", None)),
    _exact(r"\bMM\. (?=[A-ZÀ-Þ])", _said("messieurs ", None)),
    _exact(r"\bMe (?=[A-ZÀ-Þ])", _said("maître ", None)),
    _exact(r"\bPr\b\.? (?=[A-ZÀ-Þ])", _said("professeur ", "professor ")),
    _exact(r"(?<=[a-z] )St\b(?!\.? ?-?[A-ZÀ-Þ])\.?", _said("Street", "Street")),
    _exact(r"(?<=[a-z] )Dr\b(?!\.? ?[A-ZÀ-Þ])\.?", _said(None, "Drive")),
    _rule(r"\bdr\b\.?", _said("docteur", "doctor")),
    _exact(r"\bSt(?:\. ?|[ -])(?=[A-ZÀ-Þ])", _said("Saint ", "Saint ")),
    _exact(r"\bSte(?:\. ?|[ -])(?=[A-ZÀ-Þ])", _said("Sainte ", None)),
    _exact(r"(?<=[a-z] )Ave\b\.?(?! ?[A-ZÀ-Þ])", _said("avenue", "avenue")),
    _exact(r"\bGal\b\.?(?= )", _said("général", None)),
    _exact(r"\bav\.? (?=l[ea] |l['’]|midi|minuit|\d)", _said("avant ", None)),
    _rule(rf"(?<![\w.])(?P<name>{_names(WORDS)})\.?(?!\w)", _listed(WORDS)),
    _rule(rf"(?<![\w.])(?P<name>{_names(DOTTED)})\.(?!\w)", _listed(DOTTED)),
    _rule(r"(?<!\w)w/(?= ?[\w&])", _said(None, "with ")),
    # Signs.
    _rule(r" ?& ?", _said(" et ", " and ")),
    _rule(r"(?<=\d)/(?=\d)", _said(" sur ", " out of ")),
    _exact(r"(?<=\bA)/(?=[A-Z]\b)", _said(" ", "-")),
    _rule(r"(?<=\w)/(?=\w)", _said(" ", " ")),
    _rule(r"(?<!\S)@(?!\S)", _said("à", "at")),
    _rule(r"(?<!\w)[#@](?=\w)", _said("", "")),
    _rule(rf"(?<=\w)\.({_names(FILES)})\b", _file),
    _rule(r"(?<!\S)\.(?=[a-z])", _said("point ", "dot ")),
    _rule(r"(?<=[^\W\d_]{2})\.(?=[a-z]{2})", _said(" point ", " dot ")),
    # French counts in two genders.
    _rule(r"(?<![\w.,/:-])(?P<number>\d{0,3}1) (?P<noun>[^\W\d_]+)", _one_and_more),
)
# "L'UE" is on the list; "TPs" is more than one of what is.
CAPITALS = _exact(r"(?<![^\W_])([A-Z]{2,6})(?![\w])", _capitals(is_loud=False))
LOUD = _exact(r"(?<![^\W_])([A-Z]{2,6})(?![\w])", _capitals(is_loud=True))
