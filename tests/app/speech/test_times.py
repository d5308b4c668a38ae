from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from speech import times

PARIS = ZoneInfo("Europe/Paris")
TUESDAY = datetime(2026, 11, 24, 9, 0, tzinfo=PARIS)


@pytest.mark.parametrize(
    ("hour", "minute", "french", "english"),
    [
        (0, 0, "minuit", "midnight"),
        (0, 30, "zéro heure trente", "twelve thirty a.m."),
        (1, 0, "une heure", "one a.m."),
        (9, 5, "neuf heures cinq", "nine oh five a.m."),
        (12, 0, "midi", "noon"),
        (12, 1, "douze heures un", "twelve oh one p.m."),
        (14, 30, "quatorze heures trente", "two thirty p.m."),
        (21, 0, "vingt et une heures", "nine p.m."),
        (23, 59, "vingt-trois heures cinquante-neuf", "eleven fifty-nine p.m."),
    ],
)
def test_clock_times(hour, minute, french, english):
    assert times.clock(hour, minute, language="fr") == french
    assert times.clock(hour, minute, language="en") == english


@pytest.mark.parametrize(
    ("day", "french", "english"),
    [
        (date(2026, 12, 1), "mardi premier décembre", "Tuesday the first of December"),
        (
            date(2027, 1, 3),
            "dimanche trois janvier deux mille vingt-sept",
            "Sunday the third of January, twenty twenty-seven",
        ),
    ],
)
def test_weekdays_name_the_year_only_when_it_is_another(day, french, english):
    assert times.weekday(day, this_year=2026, language="fr") == french
    assert times.weekday(day, this_year=2026, language="en") == english


@pytest.mark.parametrize(
    ("when", "french", "english"),
    [
        (TUESDAY.replace(hour=18), "aujourd'hui à dix-huit heures", "today at six p.m."),
        (TUESDAY + timedelta(hours=15), "demain à minuit", "tomorrow at midnight"),
        (
            datetime(2026, 11, 26, 12, 0, tzinfo=PARIS),
            "jeudi vingt-six novembre à midi",
            "on Thursday the twenty-sixth of November at noon",
        ),
        (
            datetime(9999, 12, 31, 23, 0, tzinfo=PARIS),
            "vendredi trente et un décembre neuf mille neuf cent quatre-vingt-dix-neuf"
            " à vingt-trois heures",
            "on Friday the thirty-first of December, ninety-nine ninety-nine at eleven p.m.",
        ),
    ],
)
def test_times_name_the_day_as_seen_from_now(when, french, english):
    assert times.day_and_time(when, at=TUESDAY, language="fr") == french
    assert times.day_and_time(when, at=TUESDAY, language="en") == english


def test_the_hour_that_comes_twice_says_which_one():
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).astimezone(PARIS)
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC).astimezone(PARIS)

    assert times.time_of_day(first, language="fr") == "à deux heures trente, heure d'été"
    assert times.time_of_day(second, language="fr") == "à deux heures trente, heure d'hiver"
    assert times.time_of_day(first, language="en") == "at two thirty a.m., summer time"
    assert times.time_of_day(second, language="en") == "at two thirty a.m., winter time"


@pytest.mark.parametrize(
    ("left", "french", "english"),
    [
        (timedelta(seconds=-5), "dans moins d'une minute", "in less than a minute"),
        (timedelta(seconds=59), "dans moins d'une minute", "in less than a minute"),
        (timedelta(minutes=1), "dans une minute", "in one minute"),
        (timedelta(minutes=21, seconds=50), "dans vingt et une minutes", "in twenty-one minutes"),
        (timedelta(hours=1), "dans une heure", "in one hour"),
        (
            timedelta(hours=2, minutes=5),
            "dans deux heures et cinq minutes",
            "in two hours and five minutes",
        ),
        (
            timedelta(hours=11, minutes=59),
            "dans onze heures et cinquante-neuf minutes",
            "in eleven hours and fifty-nine minutes",
        ),
        (timedelta(hours=12, minutes=5), "dans douze heures", "in twelve hours"),
        (timedelta(hours=23, minutes=59), "dans vingt-trois heures", "in twenty-three hours"),
        (timedelta(days=1), "dans un jour", "in one day"),
        (timedelta(days=1, hours=23), "dans un jour", "in one day"),
        (timedelta(days=21), "dans vingt et un jours", "in twenty-one days"),
    ],
)
def test_remaining_time(left, french, english):
    assert times.remaining(left, language="fr") == french
    assert times.remaining(left, language="en") == english


def test_remaining_time_has_words_for_the_year_9999():
    left = datetime(9999, 12, 31, tzinfo=UTC) - TUESDAY

    assert times.remaining(left, language="en").endswith("ninety-nine days")
