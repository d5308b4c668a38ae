"""The purge goes fast alone, and gives way to whoever else asks the database for anything."""

from __future__ import annotations

import pytest
from django.db import connection, connections

from agenda import pace
from agenda.pace import PAUSE_MAX_S, Pace, questions_of_others


@pytest.fixture
def slept(monkeypatch):
    """The pauses so far, in seconds; a chunk takes a tenth of one."""
    pauses, clock = [], iter(range(1000))
    monkeypatch.setattr(pace.time, "sleep", pauses.append)
    monkeypatch.setattr(pace.time, "perf_counter", lambda: next(clock) / 10)
    return pauses


def others_asked(monkeypatch, *counts):
    told = iter(counts)
    monkeypatch.setattr(pace, "questions_of_others", lambda: next(told))


def test_alone_it_does_not_pause(slept, monkeypatch):
    others_asked(monkeypatch, 7, 7, 7)
    mine = Pace()
    for _ in range(3):
        mine.rest()
    assert slept == pytest.approx([0.3, 0.3])


def test_beside_others_it_pauses_three_times_as_long_as_a_chunk_takes(slept, monkeypatch):
    others_asked(monkeypatch, 7, 7, 8, 9, 9)
    mine = Pace()
    for _ in range(5):
        mine.rest()
    assert slept == pytest.approx([0.3, 0.3, 0.3, 0.3])


def test_a_slow_database_does_not_make_the_pauses_long(slept, monkeypatch):
    others_asked(monkeypatch, 7)
    monkeypatch.setattr(pace.time, "perf_counter", iter((0, 60, 61)).__next__)
    Pace().rest()
    assert slept == [PAUSE_MAX_S]


@pytest.mark.django_db(transaction=True)
def test_what_others_ask_is_counted_and_what_we_ask_is_not(mariadb):
    other = connection.copy()
    try:
        with other.cursor() as theirs, connection.cursor() as ours:
            theirs.execute("SELECT 1")
            before = questions_of_others()
            ours.execute("SELECT 1")
            assert questions_of_others() == before
            theirs.execute("SELECT 1")
            assert questions_of_others() == before + 1
    finally:
        other.close()
        connections.close_all()
