"""Preferences, taking one's data along, leaving for good."""

from __future__ import annotations

import json
import re

import pytest
from django.test import Client

from accounts import reset
from accounts.models import Session, User
from agenda.models import Task
from api.models import Token

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


def test_how_fast_the_voice_speaks_can_be_chosen_where_one_speaks(page, alice, add, settings):
    heard = f"/agenda/tasks/{add().id}/speech.mp3"
    normal = page.get(heard)
    page.post(ACCOUNT, {"voice_speed": "slow", "language": "en"})
    assert len(page.get(heard).content) > 1.2 * len(normal.content)
    assert page.post(ACCOUNT, {"voice_speed": "x"}).status_code == 422
    for given in ({"voice_speed": ""}, {"language": "en"}):  # said nothing of it
        page.post(ACCOUNT, given)
        alice.refresh_from_db()
        assert alice.voice_speed == "slow"
    settings.AGENDA_SPEECH = "google"
    assert "Google&#x27;s voice has no fast one." in page.get(ACCOUNT).text
    settings.AGENDA_SPEECH = "off"
    assert 'name="voice_speed"' not in page.get(ACCOUNT).text
    page.post(ACCOUNT, {"language": "fr"})
    alice.refresh_from_db()
    assert alice.voice_speed == "slow"


def test_the_export_holds_ones_own_live_tasks_and_no_secret(page, add, bob, alice):
    add("mine")
    add("theirs", owner=bob)
    response = page.post("/agenda/account/export/", {"password": PASSWORD})
    text = response.getvalue().decode()
    assert [task["title"] for task in json.loads(text)["tasks"]] == ["mine"]
    assert alice.password not in text


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


FOR_THE_OWNER = {
    "email/": {"email": "new@example.org"},
    "tokens/": {"name": "phone", "scopes": ["read"], "days": "30"},
    "calendar/": {"open": ""},
    "export/": {"take": ""},
    "leave/": {"go": ""},
}


@pytest.fixture
def with_mail(settings, mailoutbox, monkeypatch):
    settings.MAIL_ENABLED = True
    monkeypatch.setattr(reset, "_soon", lambda letter: letter())
    return mailoutbox


@pytest.mark.parametrize("password", [{}, {"password": "wrong"}], ids=["none", "a wrong one"])
@pytest.mark.parametrize("path", FOR_THE_OWNER)
def test_a_session_alone_reaches_nothing_that_outlives_it(page, alice, with_mail, path, password):
    before = User.objects.values().get()
    answer = page.post(ACCOUNT + path, FOR_THE_OWNER[path] | password)
    assert answer.status_code == 422
    assert answer.context["form"].errors["password"]
    assert User.objects.values().get() == before
    assert not Token.objects.exists()
    assert page.post(ACCOUNT + path, FOR_THE_OWNER[path] | {"password": PASSWORD}).status_code < 303


def test_every_password_field_counts_in_one_throttle(page, alice, with_mail):
    wrong = {"password": "wrong", "old_password": "wrong"}
    for path in ("password/", *FOR_THE_OWNER):
        answer = page.post(ACCOUNT + path, FOR_THE_OWNER.get(path, {"new_password1": ""}) | wrong)
    assert (answer.status_code, User.objects.count()) == (429, 1)
    for path in ("password/", *FOR_THE_OWNER):
        right = {"password": PASSWORD, "old_password": PASSWORD}
        answer = page.post(ACCOUNT + path, FOR_THE_OWNER.get(path, {"new_password1": ""}) | right)
        assert answer.status_code == 429, path
    again = {"username": "alice", "password": PASSWORD}
    assert Client().post("/agenda/sign-in/", again).status_code == 429


def test_the_old_address_is_told_of_the_new_one(
    page, alice, with_mail, django_capture_on_commit_callbacks
):
    User.objects.update(email="old@example.org")
    given = {"email": "new@example.org", "password": PASSWORD}
    with django_capture_on_commit_callbacks(execute=True):
        assert page.post(f"{ACCOUNT}email/", given).status_code == 302
    (letter,) = with_mail
    assert letter.to == ["old@example.org"]
    assert "alice" in letter.body
    assert "new@example.org" not in letter.body
    assert User.objects.get().email == "new@example.org"
    page.post(f"{ACCOUNT}email/", given)
    assert len(with_mail) == 1, "nothing changed"


def test_an_address_is_changed_on_no_other_page_and_nowhere_without_mail(page, alice, settings):
    settings.MAIL_ENABLED = False
    assert page.get(f"{ACCOUNT}email/").status_code == 404
    settings.MAIL_ENABLED = True
    page.post(ACCOUNT, {"language": "fr", "email": "new@example.org"})
    alice.refresh_from_db()
    assert (alice.language, alice.email) == ("fr", "")


def test_sessions_are_told_apart_and_ended_one_by_one_or_all_but_this(client, alice):
    given = {"username": "alice", "password": PASSWORD}
    here, phone, library = Client(), Client(), Client()
    agents = ["X11; Linux) Firefox/140.0", "Linux; Android 16) Chrome/140.0", "Windows NT) Edg/1"]
    for browser, agent in zip((here, phone, library), agents, strict=True):
        browser.post("/agenda/sign-in/", given, headers={"User-Agent": f"Mozilla/5.0 ({agent}"})
    page = here.get(f"{ACCOUNT}sessions/")
    text = page.content.decode()
    assert all(name in text for name in ("Firefox, Linux", "Chrome, Android", "Edge, Windows"))
    assert all(b.cookies["sessionid"].value not in text for b in (here, phone, library))
    end = [row.pk for row in page.context["sessions"] if row.device == "Chrome, Android"]
    here.post(f"{ACCOUNT}sessions/", {"end": end})
    assert [b.get("/agenda").status_code for b in (here, phone, library)] == [200, 302, 200]
    here.post(f"{ACCOUNT}sessions/", {"others": ""})
    assert [b.get("/agenda").status_code for b in (here, library)] == [200, 302]


def test_nobody_ends_the_session_of_another(page, bob):
    other = Client()
    other.force_login(bob)
    page.post(f"{ACCOUNT}sessions/", {"end": Session.objects.get(user=bob).pk})
    page.post(f"{ACCOUNT}sessions/", {"others": ""})
    assert other.get("/agenda").status_code == 200


@pytest.mark.parametrize("path", ["", "export/", "leave/", "email/", "sessions/"])
def test_the_account_is_for_who_signed_in(client, db, path):
    assert client.get(ACCOUNT + path).status_code == 302


def options(content):
    return dict(re.findall(r'<option value="([^"]*)"[^>]*>([^<]*)</option>', content))


def test_every_zone_with_a_place_can_be_chosen_and_is_shown_as_chosen(page, alice):
    assert page.post(ACCOUNT, {"time_zone": "America/New_York"}).status_code == 302
    content = page.get(ACCOUNT).content.decode()
    assert '<option value="America/New_York" selected>America/New York</option>' in content
    assert content.count(" selected>") == 3  # language, time zone, speed
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


def test_what_cannot_be_undone_has_a_button_of_its_own_colour(page):
    assert '<button class="danger">' in page.get("/agenda/account/leave/").text
    assert '<button class="primary">' in page.get("/agenda/account/export/").text


def test_the_sign_in_page_says_what_this_is(client):
    assert "oublie chacune à son échéance" in client.get("/agenda/sign-in/").text
