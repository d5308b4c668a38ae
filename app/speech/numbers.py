"""Whole numbers in words, French and English: num2words, where it is right. Pure.

Engines read most digits well, but not all: "1 heure" becomes "un heure", and "21 heures"
"vingt et un heures". French ordinals are ours: num2words makes "quatre-vingtsième" of 80 and
"deux centsième" of 200.
"""

from __future__ import annotations

import re
from typing import Literal

from num2words import num2words

Language = Literal["fr", "en"]

LARGEST = 9999
TEN, HUNDRED = 10, 100

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


ROMAN = re.compile(r"(X{0,3})(IX|IV|V?I{0,3})")
ROMAN_DIGITS = {"I": 1, "V": 5, "X": 10}


def roman(written: str) -> int | None:
    """Return the number, 1 to 39, of Roman capitals such as "XIV"; None when they are none."""
    if not written or not ROMAN.fullmatch(written):
        return None
    digits = [ROMAN_DIGITS[letter] for letter in written]
    return sum(
        -digit if digit < following else digit
        for digit, following in zip(digits, [*digits[1:], 0], strict=True)
    )


def in_words(number: int, language: Language, *, feminine: bool = False) -> str:
    """Return `number`, 0 to LARGEST, in words; English knows no gender."""
    return french(number, feminine=feminine) if language == "fr" else english(number)


def ordinal(number: int, language: Language) -> str:
    return french_ordinal(number) if language == "fr" else english_ordinal(number)


def counted(number: int, french_noun: str, english_noun: str, language: Language) -> str:
    """Return "trois heures", "one hour"; above LARGEST it is LARGEST. "Jour" alone is no "une"."""
    words = in_words(min(number, LARGEST), language, feminine=french_noun != "jour")
    noun, is_plural = (french_noun, number > 1) if language == "fr" else (english_noun, number != 1)
    return f"{words} {noun}{'s' if is_plural else ''}"


def french(number: int, *, feminine: bool = False) -> str:
    """Return `number`, 0 to LARGEST, as French says it: "vingt et une" when feminine."""
    words: str = num2words(number, lang="fr")
    return words + "e" if feminine and words.replace("-", " ").split()[-1] == "un" else words


def french_ordinal(number: int) -> str:
    """Return "deuxième" for 2, "vingt et unième" for 21, "quatre-vingtième" for 80."""
    words = french(number)
    for ending, stem in FRENCH_ORDINAL_STEMS.items():
        if words.endswith(ending):
            return f"{words.removesuffix(ending)}{stem}ième"
    return f"{words}ième"


def english(number: int) -> str:
    """Return `number`, 0 to LARGEST, as British English says it."""
    words: str = num2words(number, lang="en_GB")
    return words.replace(",", "")


def english_ordinal(number: int) -> str:
    """Return "first" for 1, "twenty-first" for 21, "one hundred and first" for 101."""
    words: str = num2words(number, lang="en_GB", to="ordinal")
    return words.replace(",", "")


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
