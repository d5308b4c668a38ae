"""Whole numbers in words, French and English. Pure.

Engines read most digits well, but not all: "1 heure" becomes "un heure", and "21 heures"
"vingt et un heures".
"""

from __future__ import annotations

LARGEST = 9999
TEN, HUNDRED, THOUSAND = 10, 100, 1000

FRENCH_SMALL = [
    "zéro",
    "un",
    "deux",
    "trois",
    "quatre",
    "cinq",
    "six",
    "sept",
    "huit",
    "neuf",
    "dix",
    "onze",
    "douze",
    "treize",
    "quatorze",
    "quinze",
    "seize",
    "dix-sept",
    "dix-huit",
    "dix-neuf",
]
FRENCH_TENS = {2: "vingt", 3: "trente", 4: "quarante", 5: "cinquante", 6: "soixante"}
EIGHTY = 80

ENGLISH_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
ENGLISH_TENS = [
    "_",
    "_",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
]
ENGLISH_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}


# "Premier" has its own word; in a compound one says "unième".
FRENCH_ORDINAL_STEMS = {
    "cents": "cent",
    "vingts": "vingt",
    "cinq": "cinqu",
    "neuf": "neuv",
    "quatre": "quatr",
    "onze": "onz",
    "douze": "douz",
    "treize": "treiz",
    "quatorze": "quatorz",
    "quinze": "quinz",
    "seize": "seiz",
    "trente": "trent",
    "quarante": "quarant",
    "cinquante": "cinquant",
    "soixante": "soixant",
    "mille": "mill",
}


def french(number: int, *, feminine: bool = False) -> str:
    """Return `number`, 0 to LARGEST, as French says it: "vingt et une" when feminine."""
    words = _french(number)
    return words + "e" if feminine and _ends_with_one(words) else words


def french_ordinal(number: int) -> str:
    """Return "deuxième" for 2, "vingt et unième" for 21, "quatre-vingtième" for 80."""
    words = french(number)
    for ending, stem in FRENCH_ORDINAL_STEMS.items():
        if words.endswith(ending):
            return f"{words.removesuffix(ending)}{stem}ième"
    return f"{words}ième"


def english(number: int) -> str:
    """Return `number`, 0 to LARGEST, as British English says it."""
    if number >= THOUSAND:
        return _joined(english(number // THOUSAND) + " thousand", number % THOUSAND)
    if number >= HUNDRED:
        return _joined(ENGLISH_SMALL[number // HUNDRED] + " hundred", number % HUNDRED)
    if number < len(ENGLISH_SMALL):
        return ENGLISH_SMALL[number]
    tens, units = divmod(number, TEN)
    return ENGLISH_TENS[tens] + (f"-{ENGLISH_SMALL[units]}" if units else "")


def english_ordinal(number: int) -> str:
    """Return "first" for 1, "twenty-first" for 21, "thirtieth" for 30."""
    before, hyphen, last = english(number).rpartition("-")
    if last in ENGLISH_ORDINALS:
        return before + hyphen + ENGLISH_ORDINALS[last]
    return (
        before + hyphen + (last.removesuffix("y") + "ieth" if last.endswith("y") else last + "th")
    )


def english_year(year: int) -> str:
    """Return "twenty twenty-six" for 2026, "two thousand and five" for 2005."""
    century, rest = divmod(year, HUNDRED)
    if century % TEN == 0 and rest < TEN:
        return english(year)
    if rest == 0:
        return f"{english(century)} hundred"
    return f"{english(century)} {english_minutes(rest)}"


def english_minutes(minutes: int) -> str:
    """Return "oh five" for 5 and "thirty" for 30: what follows an hour."""
    return f"oh {english(minutes)}" if minutes < TEN else english(minutes)


def _french(number: int) -> str:
    if number >= THOUSAND:
        thousands = "mille" if number < 2 * THOUSAND else f"{_french(number // THOUSAND)} mille"
        return _followed(thousands, number % THOUSAND)
    if number >= HUNDRED:
        hundreds, rest = divmod(number, HUNDRED)
        if hundreds == 1:
            return _followed("cent", rest)
        return _followed(f"{FRENCH_SMALL[hundreds]} cent" + ("" if rest else "s"), rest)
    if number < len(FRENCH_SMALL):
        return FRENCH_SMALL[number]
    return _french_tens(number)


def _french_tens(number: int) -> str:
    tens, units = divmod(number, TEN)
    if tens in {7, 9}:
        tens, units = tens - 1, units + TEN
    if tens * TEN == EIGHTY:
        return f"quatre-vingt-{FRENCH_SMALL[units]}" if units else "quatre-vingts"
    if units == 0:
        return FRENCH_TENS[tens]
    link = " et " if units in {1, 11} else "-"
    return FRENCH_TENS[tens] + link + FRENCH_SMALL[units]


def _ends_with_one(words: str) -> bool:
    return words.replace("-", " ").split()[-1] == "un"


def _followed(words: str, rest: int) -> str:
    return f"{words} {_french(rest)}" if rest else words


def _joined(words: str, rest: int) -> str:
    if rest == 0:
        return words
    return f"{words} and {english(rest)}" if rest < HUNDRED else f"{words} {english(rest)}"
