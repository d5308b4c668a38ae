"""What people write in a line, with the deadline it must get: none is wrong in silence.

The lines stand in docs/quick-add.md; "?" is a question, and no deadline.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agenda.quick_add.deadline import read_deadline
from agenda.quick_add.line import read_line

TUESDAY = datetime(2026, 11, 24, 10, 0)
SIX = datetime(2026, 11, 24, 18)
PAGE = Path(__file__).parents[2] / "docs/quick-add.md"
SECTIONS = {"French": "fr", "English": "en"}


def _rows(section: str) -> list[tuple[str, str, str]]:
    """The three cells of each row of a section's table."""
    text = PAGE.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = [row.strip("|").split("|") for row in text.splitlines() if row.startswith("| ")]
    return [(first.strip(" `"), second.strip(), third.strip(" `")) for first, second, third in rows]


LINES = [
    pytest.param(*cells, language, id=f"{language}-{cells[0]}".replace(" ", "-"))
    for section, language in SECTIONS.items()
    for cells in _rows(section)[1:]
]


@pytest.mark.parametrize(("text", "end", "rule", "language"), LINES)
def test_a_line_has_the_deadline_it_says_or_is_a_question(text, end, rule, language):
    found = read_deadline(text.split(), at=TUESDAY, language=language)
    assert (f"{found.wall:%Y-%m-%d %H:%M}" if found.wall else "?") == end
    assert not found.wall or found.rule == rule


@pytest.mark.parametrize(
    ("text", "language", "answers"), _rows("Questions with answers to tap")[1:]
)
def test_a_question_offers_what_is_sure(text, language, answers):
    found = read_line(text, at=TUESDAY, language=language)
    assert found.wall is None
    assert ", ".join(f"{wall:%Y-%m-%d %H:%M}" for wall in found.options) == answers


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("le mois prochain : révision voiture", "révision voiture"),
        ("le premier lundi de janvier : inventaire", "inventaire"),
        ("essay, 2000 words, friday", "essay, 2000 words"),
        ("formation lundi 30 nov toute la journée", "formation"),
        ("offsite friday all day", "offsite"),
        ("doctor @9am tomorrow", "doctor"),
        ("call sam at 6pm", "call sam"),
        ("payer 45€ à Tom demain soir", "payer 45€ à Tom"),
        ("dossier bourse pour le 31 décembre dernier délai", "dossier bourse"),
        ("dossier au 31 décembre", "dossier"),
        ("resto vendredi 20h 8 personnes", "resto 8 personnes"),
        ("lire p. 12 à 45 pour jeudi", "lire p. 12 à 45"),
        ("prévenir les 21 étudiants avant demain 8h", "prévenir les 21 étudiants"),
        ("office hours thursday 2-4pm", "office hours"),
        ("marathon relais dim 29 9h", "marathon relais"),
        ("inscription jusqu'au 20 inclus", "inscription"),
        ("turn heating on at 7am tomorrow", "turn heating on"),
        ("parents evening monday january 4 6pm", "parents evening"),
        ("homework due at 5pm", "homework"),
        ("demain", ""),
        ("- : demain", ""),
        ("lire p. 12 at 9 tomorrow", "lire p. 12"),
        ("rendre TP 3 à 9 demain", "rendre TP 3"),
        ("print Lab 3 noon", "print Lab 3"),
        ("lunch 12 noon", "lunch"),
    ],
)
def test_a_title_keeps_all_that_is_no_time(text, title):
    assert read_line(text, at=TUESDAY, language="en").title == title


@pytest.mark.parametrize(("marks", "priority"), [("", 0), ("!", 1), ("!!", 2), ("!!!", 2)])
def test_exclamation_marks_of_their_own_are_the_priority(marks, priority):
    found = read_line(f"payer! {marks} demain", at=TUESDAY, language="fr")
    assert (found.title, found.priority, found.is_range) == ("payer!", priority, False)


@pytest.mark.parametrize(
    ("line", "is_range"),
    [
        ("réunion demain 8h-10h", True),
        ("déjeuner entre midi et deux", True),
        ("stage de mercredi à jeudi", True),
        ("astreinte du 28 au 30", True),
        ("conference December 3 to 5", True),
        ("salon du 20/12 au 3/01", True),
        ("lunch fri 12-1", True),
        ("shift friday 9-1", True),
        ("bus du lundi au vendredi à 8h", False),
    ],
)
def test_of_a_range_it_is_known_that_its_end_was_read(line, is_range):
    assert read_line(line, at=TUESDAY, language="fr").is_range is is_range


@pytest.mark.parametrize(
    ("word", "tags", "title", "unread"),
    [
        ("#asso", ("asso",), "", ()),
        ("#asso,", ("asso",), "", ()),
        ("#482", (), "#482", ()),
        ("#4x", ("4x",), "", ()),
        ("#x4", ("x4",), "", ()),
        ("#", (), "#", ()),
        ("a#b", (), "a#b", ()),
        ("#a/b", (), "#a/b", ("#a/b",)),
    ],
)
def test_a_word_behind_a_hash_is_a_tag_a_number_or_a_question(word, tags, title, unread):
    found = read_line(f"{word} demain", at=TUESDAY, language="fr")
    assert (found.tags, found.title, found.unread) == (tags, title, unread)


@pytest.mark.parametrize("language", SECTIONS.values())
def test_the_page_has_more_than_a_hundred_and_twenty_lines_of_a_language(language):
    texts = [line.values[0] for line in LINES if line.values[3] == language]
    assert len(set(texts)) == len(texts) > 120


@pytest.mark.parametrize(
    ("line", "title", "wall"),
    [
        ("Rendre le TP 3 demain 18h", "Rendre le TP 3", datetime(2026, 11, 25, 18)),
        ("call the bank in 20 min", "call the bank", datetime(2026, 11, 24, 10, 20)),
        ("réunion lundi 14h30", "réunion", datetime(2026, 11, 30, 14, 30)),
        ("Dîner ce soir", "Dîner", datetime(2026, 11, 24, 20)),
        ("dinner tonight", "dinner", datetime(2026, 11, 24, 20)),
        ("18h appeler Paul", "appeler Paul", datetime(2026, 11, 24, 18)),
        ("Appeler à 9h", "Appeler", datetime(2026, 11, 25, 9)),
        ("Loyer le 1er décembre", "Loyer", datetime(2026, 12, 1, 23, 59)),
        ("examen 12/03 à 8h", "examen", datetime(2027, 3, 12, 8)),
        ("TP dans 2 jours", "TP", datetime(2026, 11, 26, 10)),
        ("Manger midi", "Manger", datetime(2026, 11, 24, 12)),
        ("demain rendre le TP", "rendre le TP", datetime(2026, 11, 25, 23, 59)),
        ("meet Ann next friday at 3pm", "meet Ann", datetime(2026, 11, 27, 15)),
        ("rendre lundi prochain à 10h le plan", "rendre le plan", datetime(2026, 11, 30, 10)),
        ("pay rent 2026-12-01 18:00", "pay rent", datetime(2026, 12, 1, 18)),
        ("Lire le livre dans le train", "Lire le livre dans le train", None),
        ("Lire 3 chapitres", "Lire 3 chapitres", None),
        ("", "", None),
        ("1er avril farce", "farce", datetime(2027, 4, 1, 23, 59)),
        ("may call the bank tomorrow", "may call the bank", datetime(2026, 11, 25, 23, 59)),
        ("TP le 12.03 8h", "TP", datetime(2027, 3, 12, 8)),
        ("le 29/02 fête", "le 29/02 fête", None),
        ("ce soir 21h film", "film", datetime(2026, 11, 24, 21)),
        ("diner tonight 9pm", "diner", datetime(2026, 11, 24, 21)),
        ("demain soir 8h film", "film", datetime(2026, 11, 25, 20)),
        ("appeler demain matin", "appeler", datetime(2026, 11, 25, 12)),
        ("call Ann tomorrow afternoon", "call Ann", datetime(2026, 11, 25, 18)),
        ("courses cet après-midi", "courses", datetime(2026, 11, 24, 18)),
        ("TP dans 1h30", "TP", datetime(2026, 11, 24, 11, 30)),
        ("TP dans une heure et demie", "TP", datetime(2026, 11, 24, 11, 30)),
        ("pain dans une demi-heure", "pain", datetime(2026, 11, 24, 10, 30)),
        ("tea in half an hour", "tea", datetime(2026, 11, 24, 10, 30)),
        ("call in 2 hours and 5 min", "call", datetime(2026, 11, 24, 12, 5)),
        ("vérifier dans 3 mois", "vérifier", datetime(2027, 2, 24, 10)),
        ("revenir dans 2 semaines", "revenir", datetime(2026, 12, 8, 10)),
        ("TP 3 déc. 8h", "TP", datetime(2026, 12, 3, 8)),
        ("party Dec 3 8pm", "party", datetime(2026, 12, 3, 20)),
        ("meet in an office tomorrow", "meet in an office", datetime(2026, 11, 25, 23, 59)),
        ("aller à un match samedi 15h", "aller à un match", datetime(2026, 11, 28, 15)),
        ("this week report", "report", datetime(2026, 11, 29, 23, 59)),
        ("fêter le an 2000", "fêter le an 2000", None),
        ("note 12/20 de maths", "note 12/20 de maths", None),
    ],
)
def test_a_line_is_read_in_both_languages(line, title, wall):
    found = read_line(line, at=TUESDAY, language="fr")
    assert (found.title, found.wall) == (title, wall)


@pytest.mark.parametrize(
    ("line", "title", "tags", "priority", "wall"),
    [
        (
            "réunion lundi 14h30 #projet !",
            "réunion",
            ("projet",),
            1,
            datetime(2026, 11, 30, 14, 30),
        ),
        (
            "#TP #réseaux, rendre !! demain",
            "rendre",
            ("tp", "réseaux"),
            2,
            datetime(2026, 11, 25, 23, 59),
        ),
        ("Bravo! à 18h", "Bravo!", (), 0, SIX),
        ("#a #A x 18h", "x", ("a",), 0, SIX),
        ("C# in 20 min", "C#", (), 0, datetime(2026, 11, 24, 10, 20)),
    ],
)
def test_tags_and_priority_are_read(line, title, tags, priority, wall):
    found = read_line(line, at=TUESDAY, language="fr")
    assert (found.title, found.tags, found.priority, found.wall) == (title, tags, priority, wall)
    assert found.unread == ()


@pytest.mark.parametrize(
    ("line", "title", "repeat", "wall"),
    [
        ("poubelles tous les lundis 20h", "poubelles", "weekly", datetime(2026, 11, 30, 20)),
        ("piscine chaque samedi", "piscine", "weekly", datetime(2026, 11, 28, 23, 59)),
        ("arroser chaque semaine vendredi 8h", "arroser", "weekly", datetime(2026, 11, 27, 8)),
        ("standup every weekday 9:30", "standup", "weekdays", datetime(2026, 11, 25, 9, 30)),
        ("bus du lundi au vendredi à 8h", "bus", "weekdays", datetime(2026, 11, 25, 8)),
        ("pills every day", "pills", "daily", datetime(2026, 11, 24, 23, 59)),
        ("pills every day 8am", "pills", "daily", datetime(2026, 11, 25, 8)),
        ("loyer le 5 de chaque mois à 8h", "loyer", "monthly", datetime(2026, 12, 5, 8)),
        ("loyer tous les 5 du mois", "loyer", "monthly", datetime(2026, 12, 5, 23, 59)),
        ("rent every 31st at noon", "rent", "monthly", datetime(2026, 12, 31, 12)),
        ("payer chaque mois le 3 décembre", "payer", "monthly", datetime(2026, 12, 3, 23, 59)),
        ("payer chaque mois", "payer", "monthly", None),
        ("weekly report friday 17:00", "weekly report", "", datetime(2026, 11, 27, 17)),
    ],
)
def test_a_rhythm_is_read(line, title, repeat, wall):
    found = read_line(line, at=TUESDAY, language="fr")
    assert (found.title, found.repeat, found.wall) == (title, repeat, wall)
    assert found.unread == ()


@pytest.mark.parametrize(
    ("line", "unread"),
    [
        ("TP 25h", ("25h",)),
        ("demain 14h75 lire", ("14h75",)),
        ("rdv 32/13", ("32/13",)),
        ("hier appeler", ("hier",)),
        ("relire tous les cent jours", ("tous",)),
        ("call every 3 hours", ("every", "hours")),
        ("gym every monday at 8am tuesday", ("tuesday",)),
        ("demain 18h ou 19h", ("ou 19h",)),
        ("demain 18h ou", ("ou",)),
        ("gym every day every monday 8am", ("every day", "every monday")),
        ("call at 5 tomorrow", ("at 5",)),
    ],
)
def test_what_is_not_understood_is_named_and_stays_in_the_title(line, unread):
    found = read_line(line, at=TUESDAY, language="fr")
    assert (found.unread, found.wall) == (unread, None)
    assert all(word in found.title for word in unread)


def test_what_cannot_be_a_tag_is_named_and_the_moment_is_read():
    found = read_line("a #b/c demain", at=TUESDAY, language="fr")
    assert (found.unread, found.wall) == (("#b/c",), datetime(2026, 11, 25, 23, 59))
    assert found.title == "a #b/c"


def test_the_number_of_an_issue_is_no_tag():
    found = read_line("review PR #482 today", at=TUESDAY, language="en")
    assert (found.title, found.tags, found.unread) == ("review PR #482", (), ())


@pytest.mark.parametrize(
    ("line", "at", "wall"),
    [
        ("TP dans 2 heures", datetime(2027, 3, 28, 1, 30), datetime(2027, 3, 28, 4, 30)),
        ("TP dans 2 heures", datetime(2026, 10, 25, 1, 30), datetime(2026, 10, 25, 2, 30)),
        ("TP demain 2h30 du matin", datetime(2027, 3, 27, 12), None),
        ("TP demain 3h30 du matin", datetime(2027, 3, 27, 12), datetime(2027, 3, 28, 3, 30)),
        ("TP dans 2 jours", datetime(2027, 3, 26, 2, 30), None),
    ],
)
def test_hours_are_counted_over_a_change_of_the_clocks_and_a_skipped_one_is_a_question(
    line, at, wall
):
    found = read_line(line, at=at, language="fr", zone=ZoneInfo("Europe/Paris"))
    assert found.wall == wall
    assert bool(found.unread) is (wall is None)


@pytest.mark.parametrize(
    ("line", "at", "wall"),
    [
        ("ranger aujourd'hui", datetime(2026, 11, 24, 23, 59, 30), None),
        ("ranger ce soir", datetime(2026, 11, 24, 21), datetime(2026, 11, 24, 23, 59)),
        ("ranger ce matin", datetime(2026, 11, 24, 13), None),
        ("ranger à minuit", datetime(2026, 11, 24, 23, 59, 30), datetime(2026, 11, 25, 23, 59)),
        ("ranger demain", datetime(2026, 12, 31, 23, 59, 30), datetime(2027, 1, 1, 23, 59)),
        ("ranger dans 1 min", datetime(2026, 11, 24, 10, 0, 20), datetime(2026, 11, 24, 10, 2)),
        ("rapport mardi 18h", datetime(2026, 11, 24, 10), None),
        ("rapport mardi 8h", datetime(2026, 11, 24, 10), datetime(2026, 12, 1, 8)),
        ("yoga chaque mardi 18h", datetime(2026, 11, 24, 10), datetime(2026, 11, 24, 18)),
        ("le 31 payer", datetime(2027, 2, 3), datetime(2027, 3, 31, 23, 59)),
        ("le 5 payer", datetime(2026, 12, 10), datetime(2027, 1, 5, 23, 59)),
        ("fête 29/02", datetime(2028, 1, 10), datetime(2028, 2, 29, 23, 59)),
        ("manger à 12", datetime(2026, 11, 24, 13), None),
        ("appeler à 3", datetime(2026, 11, 24, 3), datetime(2026, 11, 24, 15)),
        ("appeler à 3", datetime(2026, 11, 24, 12, 30), None),
        ("ranger ce soir", datetime(2026, 11, 24, 20), datetime(2026, 11, 24, 23, 59)),
    ],
)
def test_the_day_turns_at_midnight_and_nothing_is_past(line, at, wall):
    assert read_line(line, at=at, language="fr").wall == wall
