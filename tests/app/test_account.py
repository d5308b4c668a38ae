"""Preferences, taking one's data along, leaving for good."""

from __future__ import annotations

import re

import pytest

from accounts.models import Session, User
from agenda.models import Task

PASSWORD = "a long enough password"
ACCOUNT = "/agenda/account/"


def test_preferences_are_saved_and_followed(page, alice):
    page.post(ACCOUNT, {"language": "fr", "time_zone": "America/Cayenne"})
    alice.refresh_from_db()
    assert (alice.language, alice.time_zone) == ("fr", "America/Cayenne")
    content = page.get("/agenda/tasks/new/").content.decode()
    assert "America/Cayenne (UTC-3)" in content
    assert 'lang="fr"' in content


def test_the_browsers_language_counts_again_once_it_is_chosen(page, alice):
    page.post(ACCOUNT, {"language": "fr"})
    page.post(ACCOUNT, {"language": ""})
    for path in (ACCOUNT, "/agenda"):
        assert '<html lang="en"' in page.get(path, headers={"Accept-Language": "en"}).text


@pytest.mark.parametrize("given", [{"time_zone": "Europe/Atlantis"}, {"language": "xx"}])
def test_unknown_preferences_are_refused(page, alice, given):
    assert page.post(ACCOUNT, given).status_code == 422
    alice.refresh_from_db()
    assert (alice.language, alice.time_zone) == ("en", "")


def test_the_voice_can_be_chosen_only_where_words_may_leave(page, settings):
    assert b'name="voice"' not in page.get(ACCOUNT).content
    settings.AGENDA_SPEECH = "google"
    assert b'name="voice"' in page.get(ACCOUNT).content


def test_the_export_holds_ones_own_live_tasks_and_no_secret(page, add, bob, alice):
    add("mine")
    add("theirs", owner=bob)
    response = page.get("/agenda/account/export.json")
    assert [task["title"] for task in response.json()["tasks"]] == ["mine"]
    assert alice.password not in response.content.decode()


def test_leaving_takes_the_password_and_erases_everything(page, add, bob):
    add("mine")
    add("theirs", owner=bob)
    wrong = page.post("/agenda/account/leave/", {"password": "wrong"})
    assert (wrong.status_code, User.objects.count()) == (422, 2)
    page.post("/agenda/account/leave/", {"password": PASSWORD})
    assert [user.username for user in User.objects.all()] == ["bob"]
    assert [task.title for task in Task.objects.all()] == ["theirs"]
    assert not Session.objects.exists()
    assert page.get("/agenda").status_code == 302


@pytest.mark.parametrize("path", ["", "export.json", "leave/"])
def test_the_account_is_for_who_signed_in(client, db, path):
    assert client.get(ACCOUNT + path).status_code == 302


def options(content):
    return dict(re.findall(r'<option value="([^"]*)"[^>]*>([^<]*)</option>', content))


def test_every_zone_with_a_place_can_be_chosen_and_is_shown_as_chosen(page, alice):
    assert page.post(ACCOUNT, {"time_zone": "America/New_York"}).status_code == 302
    content = page.get(ACCOUNT).content.decode()
    assert '<option value="America/New_York" selected>America/New York</option>' in content
    assert content.count(" selected>") == 2  # language, time zone
    assert '<optgroup label="Europe">' in content
    assert page.post(ACCOUNT, {"time_zone": "Mars/Olympus"}).status_code == 422


def test_a_zone_that_the_machine_no_longer_knows_is_kept(page, alice):
    User.objects.update(time_zone="America/Gone")
    content = page.get(ACCOUNT).content.decode()
    assert '<option value="America/Gone" selected>America/Gone</option>' in content
    assert page.post(ACCOUNT, {"time_zone": "America/Gone"}).status_code == 302


def test_the_areas_are_named_in_ones_own_language(page, alice):
    alice.language = "fr"
    alice.save()
    content = page.get(ACCOUNT).content.decode()
    assert '<optgroup label="Amérique">' in content
    assert '<optgroup label="America">' not in content


def test_no_choice_is_a_row_of_hyphens(page, alice, settings):
    settings.AGENDA_SPEECH = "google"
    content = page.get(ACCOUNT).content.decode()
    assert {"", "google", "local"} <= options(content).keys()
    assert "---" not in content
