"""The deadline is picked in words; the field behind them is of another moment alone."""

from __future__ import annotations

import re
from datetime import timedelta

from django.utils import timezone

from agenda.models import Task

NEW = "/agenda/tasks/new/"
WALL = "%Y-%m-%dT%H:%M"
PICKED = re.compile(r'name="when"\s+value="([^"]*)"\s+(checked)?>\s*<span>([^<]*)')


def picks(html):
    """Of each choice its moment, its words, and whether it is the one that counts."""
    return {wall: (words, is_on) for wall, is_on, words in PICKED.findall(html)}


def tomorrow_at(hour):
    wall = timezone.localtime(timezone.now() + timedelta(days=1))
    return wall.replace(hour=hour, minute=0, second=0, microsecond=0)


def test_a_new_task_offers_moments_in_words_with_one_that_counts(page):
    found = picks(page.get(NEW).text)
    assert found[f"{tomorrow_at(9):{WALL}}"][0] == "tomorrow 09:00"
    assert [is_on for _words, is_on in found.values()].count("checked") == 1
    assert found[""] == ("another moment", "")


def test_what_is_picked_is_the_deadline_whatever_the_hidden_field_says(page):
    picked = f"{tomorrow_at(9):{WALL}}"
    given = {"title": "x", "when": picked, "deadline_at": "2090-01-01T10:00"}
    assert page.post(NEW, given).status_code == 302
    assert Task.objects.get().deadline_at == tomorrow_at(9)


def test_another_moment_is_what_the_field_says(page):
    for when in ({"when": ""}, {}):
        given = {"title": "x", "deadline_at": f"{tomorrow_at(7):{WALL}}"} | when
        assert page.post(NEW, given).status_code == 302
    assert {task.deadline_at for task in Task.objects.all()} == {tomorrow_at(7)}


def test_a_moment_that_is_over_by_then_is_said_beside_the_field(page):
    answer = page.post(NEW, {"title": "x", "when": "2020-01-01T10:00"})
    assert answer.status_code == 422
    assert picks(answer.text)[""][1] == "checked"
    assert 'value="2020-01-01T10:00"' in answer.text


def test_neither_picked_nor_written_is_a_mistake_that_is_said(page):
    answer = page.post(NEW, {"title": "x", "deadline_at": ""})
    assert (answer.status_code, "Say until when." in answer.text) == (422, True)


def test_a_task_that_is_edited_shows_its_own_deadline_and_keeps_it(page, add):
    deadline_at = tomorrow_at(9) + timedelta(seconds=30)
    task = add("x", deadline_at=deadline_at)
    where = f"/agenda/tasks/{task.id}/"
    assert picks(page.get(where).text)[""][1] == "checked"
    task.deadline_at = tomorrow_at(9)
    task.save()
    assert picks(page.get(where).text)[f"{tomorrow_at(9):{WALL}}"][1] == "checked"
