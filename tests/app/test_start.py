"""The agenda starts: its settings load, its tables stand, its address answers."""

from __future__ import annotations

from agenda.identity import is_uuid7, uuid7


def test_somebody_unknown_is_sent_to_sign_in(client):
    response = client.get("/agenda")
    assert (response.status_code, response["Location"]) == (302, "/agenda/sign-in/?next=/agenda")


def test_identities_are_version_7_and_sort_by_time():
    first = uuid7()
    assert is_uuid7(first)
    assert first.int >> 80 <= uuid7().int >> 80


def test_machines_can_ask_whether_it_serves(client, db):
    assert client.get("/healthz").content == b"ok\n"
    response = client.get("/readyz")
    assert (response.status_code, response.json()["database"]) == (200, "ok"), response.content
