"""One line becomes a title and a deadline, shown before it is saved."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenda.models import Task
from agenda.quickadd import read_line

TUESDAY = datetime(2026, 11, 24, 10, 0)


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
    ],
)
def test_a_line_is_read_in_both_languages(line, title, wall):
    found = read_line(line, at=TUESDAY, language="fr")
    assert (found.title, found.wall) == (title, wall)


@given(st.text(max_size=60))
def test_no_line_is_too_strange(line):
    read_line(line, at=TUESDAY, language="fr")


def test_what_was_read_is_shown_and_not_yet_saved(page):
    response = page.post("/agenda/tasks/quick/", {"line": "Rendre le TP tomorrow 18:00"})
    content = response.content.decode()
    assert 'value="Rendre le TP"' in content
    assert "T18:00" in content
    assert "was read as the deadline" in content
    assert not Task.objects.exists()


def test_what_cannot_be_read_is_said(page):
    response = page.post("/agenda/tasks/quick/", {"line": "Rendre le TP"})
    assert b"No moment could be read" in response.content
    assert b'value="Rendre le TP"' in response.content
