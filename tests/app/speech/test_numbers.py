import pytest

from speech import numbers


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zéro"),
        (1, "un"),
        (16, "seize"),
        (17, "dix-sept"),
        (20, "vingt"),
        (21, "vingt et un"),
        (22, "vingt-deux"),
        (61, "soixante et un"),
        (70, "soixante-dix"),
        (71, "soixante et onze"),
        (72, "soixante-douze"),
        (80, "quatre-vingts"),
        (81, "quatre-vingt-un"),
        (90, "quatre-vingt-dix"),
        (91, "quatre-vingt-onze"),
        (99, "quatre-vingt-dix-neuf"),
        (100, "cent"),
        (101, "cent un"),
        (200, "deux cents"),
        (204, "deux cent quatre"),
        (1000, "mille"),
        (1999, "mille neuf cent quatre-vingt-dix-neuf"),
        (2000, "deux mille"),
        (2026, "deux mille vingt-six"),
        (9999, "neuf mille neuf cent quatre-vingt-dix-neuf"),
    ],
)
def test_french_numbers(number, words):
    assert numbers.french(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "une"),
        (11, "onze"),
        (21, "vingt et une"),
        (81, "quatre-vingt-une"),
        (101, "cent une"),
        (5, "cinq"),
    ],
)
def test_french_numbers_agree_with_a_feminine_noun(number, words):
    assert numbers.french(number, feminine=True) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (1, "one"),
        (19, "nineteen"),
        (20, "twenty"),
        (42, "forty-two"),
        (100, "one hundred"),
        (204, "two hundred and four"),
        (1000, "one thousand"),
        (1100, "one thousand one hundred"),
        (2005, "two thousand and five"),
        (2204, "two thousand two hundred and four"),
        (9999, "nine thousand nine hundred and ninety-nine"),
    ],
)
def test_english_numbers(number, words):
    assert numbers.english(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "first"),
        (2, "second"),
        (3, "third"),
        (4, "fourth"),
        (5, "fifth"),
        (8, "eighth"),
        (9, "ninth"),
        (12, "twelfth"),
        (13, "thirteenth"),
        (20, "twentieth"),
        (21, "twenty-first"),
        (30, "thirtieth"),
        (31, "thirty-first"),
        (101, "one hundred and first"),
        (112, "one hundred and twelfth"),
        (1080, "one thousand and eightieth"),
    ],
)
def test_english_ordinals(number, words):
    assert numbers.english_ordinal(number) == words


@pytest.mark.parametrize(
    ("year", "words"),
    [
        (2026, "twenty twenty-six"),
        (2000, "two thousand"),
        (2009, "two thousand and nine"),
        (2010, "twenty ten"),
        (1999, "nineteen ninety-nine"),
        (1905, "nineteen oh five"),
        (1900, "nineteen hundred"),
        (9999, "ninety-nine ninety-nine"),
    ],
)
def test_english_years(year, words):
    assert numbers.english_year(year) == words


def test_every_number_has_words_of_its_own():
    everything = range(numbers.LARGEST + 1)

    assert len({numbers.french(n) for n in everything}) == len(everything)
    assert len({numbers.english(n) for n in everything}) == len(everything)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (2, "deuxième"),
        (4, "quatrième"),
        (5, "cinquième"),
        (9, "neuvième"),
        (11, "onzième"),
        (16, "seizième"),
        (21, "vingt et unième"),
        (30, "trentième"),
        (71, "soixante et onzième"),
        (80, "quatre-vingtième"),
        (90, "quatre-vingt-dixième"),
        (100, "centième"),
        (200, "deux centième"),
        (1000, "millième"),
    ],
)
def test_french_ordinals(number, words):
    assert numbers.french_ordinal(number) == words


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("I", 1),
        ("II", 2),
        ("IV", 4),
        ("V", 5),
        ("VIII", 8),
        ("IX", 9),
        ("XIV", 14),
        ("XXXIX", 39),
        ("", None),
        ("IIII", None),
        ("VX", None),
        ("XL", None),
    ],
)
def test_roman_capitals_are_numbers_up_to_39(written, number):
    assert numbers.roman(written) == number
