"""What well-formed requests may look like beyond the usual, and what only looks well-formed."""

from __future__ import annotations

import pytest

from agenda.models import Task
from tests.app.api.program import task

pytestmark = pytest.mark.django_db


def test_a_compressed_body_is_refused_before_it_is_read(api):
    answer = api.post("/tasks", task(), Content_Encoding="gzip")
    assert answer.json()["type"].endswith("#problem-unsupported-media-type")
    assert answer["Accept-Encoding"] == "identity"
    assert not Task.objects.exists()
    assert api.post("/tasks", task(), Content_Encoding="identity").status_code == 201


@pytest.mark.parametrize(
    "value", [f"bytes=0-{'9' * 5000}", f"bytes={'9' * 5000}-", f"bytes=-{'9' * 5000}"]
)
def test_a_range_too_long_to_be_a_number_asks_for_all(api, add, value):
    answer = api.get(f"/tasks/{add().pk}/speech", Range=value)
    assert (answer.status_code, answer.content[:1]) == (200, b"\xff")


def test_a_range_of_another_sound_gets_all_of_this_one(api, add):
    here = f"/tasks/{add().pk}/speech"
    whole = api.get(here)
    part = api.get(here, Range="bytes=0-3", If_Range=whole["ETag"])
    assert (part.status_code, len(part.content)) == (206, 4)
    for other in ('"another"', f"W/{whole['ETag']}", "Sat, 01 Jan 2000 00:00:00 GMT"):
        answer = api.get(here, Range="bytes=0-3", If_Range=other)
        assert (answer.status_code, answer.content) == (200, whole.content)
