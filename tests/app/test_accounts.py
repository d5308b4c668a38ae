"""Signing up, in and out; passwords; throttling; the first administrator; verify's probe."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO

import pytest
from axes.helpers import get_query_str
from axes.models import AccessAttempt
from django import forms
from django.contrib.auth.hashers import check_password, make_password
from django.core.management import call_command
from django.http import QueryDict
from django.test import Client
from django.utils import timezone

from accounts import hashers
from accounts.forms import SignUpForm
from accounts.models import FirstAdminLink, Session, User
from accounts.services import (
    PROBE_LIVES,
    account_remove,
    calendar_open,
    calendar_owner,
    first_admin_link_create,
)
from agenda.models import Task
from api.services import token_find
from tests.app.api.program import token_for

PASSWORD = "a long enough password"
SIGN_IN = "/agenda/sign-in/"


def sign_in(client, name="alice", password=PASSWORD, **extra):
    return client.post(SIGN_IN, {"username": name, "password": password}, **extra)


def test_somebody_unknown_is_sent_to_sign_in_and_back(client, add):
    task = add()
    response = client.get(f"/agenda/tasks/{task.id}/")
    assert response["Location"] == f"{SIGN_IN}?next=/agenda/tasks/{task.id}/"
    response = client.post(
        SIGN_IN,
        {"username": "alice", "password": PASSWORD, "next": f"/agenda/tasks/{task.id}/"},
    )
    assert response["Location"] == f"/agenda/tasks/{task.id}/"


def test_signing_in_leads_back_to_what_was_searched_for(client, alice):
    asked = client.get("/agenda/search/", {"q": "two words"})
    shown = client.get(asked["Location"]).content.decode()
    assert 'name="next" value="/agenda/search/?q=two+words"' in shown


@pytest.mark.parametrize(
    ("came_from", "path"),
    [
        ("http://testserver/agenda/search/?q=x", "/agenda/search/?q=x"),
        ("https://elsewhere.example/agenda/month/", None),
        ("http://testserver//elsewhere.example", None),
        ("", None),
    ],
)
def test_a_button_pressed_after_the_session_leads_back_to_its_page(client, add, came_from, path):
    """Not to the button's own address, which shows nothing."""
    asked = client.post(f"/agenda/tasks/{add().id}/remove/", headers={"Referer": came_from})
    there = client.get(asked["Location"])
    given = {"username": "alice", "password": PASSWORD, "next": there.context["next"]}
    assert client.post(SIGN_IN, given)["Location"] == (path or "/agenda")
    assert Task.objects.filter(removed_at=None).count() == 1


def test_signing_in_never_leads_to_another_site(client, alice):
    response = client.post(
        SIGN_IN, {"username": "alice", "password": PASSWORD, "next": "https://elsewhere.example/"}
    )
    assert response["Location"] == "/agenda"


def test_who_reads_the_table_of_sessions_gets_into_none(client, alice):
    sign_in(client)
    kept = Session.objects.get().session_key
    assert client.cookies["sessionid"].value not in kept
    thief = Client()
    thief.cookies["sessionid"] = kept
    assert thief.get("/agenda").status_code == 302
    assert client.get("/agenda").status_code == 200


def test_a_session_of_the_release_before_goes_on_and_lies_there_no_longer_in_clear(client, alice):
    sign_in(client)
    key = client.cookies["sessionid"].value
    Session.objects.update(session_key=key)
    assert [client.get("/agenda").status_code for _ in range(2)] == [200, 200]
    assert not Session.objects.filter(session_key=key).exists()
    client.post("/agenda/sign-out/")
    assert not Session.objects.exists()


def at_work(client, monkeypatch, days):
    """The same browser a number of days later."""
    at = timezone.now() + timedelta(days=days)
    monkeypatch.setattr(timezone, "now", lambda: at)
    monkeypatch.setattr(time, "time", at.timestamp)
    answer = client.get("/agenda")
    monkeypatch.undo()
    return answer.status_code == 200


def test_a_session_goes_on_under_a_new_key_while_the_one_before_is_accepted(
    client, alice, settings
):
    """Under the same cookie too: what else the browser has under way has sent it already."""
    client.force_login(alice)
    cookie = client.cookies["sessionid"].value
    before, settings.SECRET_KEY = settings.SECRET_KEY, "n" * 60
    settings.SECRET_KEY_FALLBACKS = [before]
    assert client.get("/agenda").status_code == 200
    assert client.cookies["sessionid"].value == cookie
    # Used once, it needs the one before no more.
    settings.SECRET_KEY_FALLBACKS = []
    assert client.get("/agenda").status_code == 200


def test_a_session_ends_when_nobody_used_it(client, alice, settings, monkeypatch):
    settings.SESSION_COOKIE_AGE = 10 * 24 * 3600
    sign_in(client)
    assert [at_work(client, monkeypatch, day) for day in (9, 18, 29)] == [True, True, False]


def test_a_session_that_is_used_every_day_ends_too(client, alice, settings, monkeypatch):
    settings.SESSION_LONGEST = 4 * 24 * 3600
    sign_in(client)
    assert [at_work(client, monkeypatch, day) for day in (1, 2, 3.9, 4)] == [True] * 3 + [False]


def test_a_session_that_is_used_all_the_time_is_seldom_written(client, alice):
    sign_in(client)
    before = Session.objects.get().session_data
    assert [client.get("/agenda").status_code for _ in range(3)] == [200] * 3
    assert Session.objects.get().session_data == before


def test_signing_out_clears_what_the_browser_kept(page):
    assert '"cache"' in page.post("/agenda/sign-out/")["Clear-Site-Data"]


def test_a_name_is_the_same_in_any_case(client, alice):
    assert sign_in(client, "ALICE").status_code == 302


def test_names_that_differ_in_an_accent_are_two_accounts(db):
    User.objects.create_user("rene")
    User.objects.create_user("rené")
    assert User.objects.count() == 2


@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_a_wrong_password_and_a_wrong_name_are_told_apart_by_nothing(client, alice, name):
    content = sign_in(client, name, "wrong").content.decode()
    assert "do not belong together" in content or "ne vont pas ensemble" in content


def test_signing_up_makes_an_account_and_signs_in(client, db):
    given = {"username": "Eve", "password1": PASSWORD, "password2": PASSWORD}
    response = client.post("/agenda/sign-up/", given, follow=True)
    assert response.redirect_chain == [("/agenda", 302)]
    assert User.objects.get().username == "eve"


@pytest.mark.parametrize(
    "given",
    [
        {"username": ""},
        {"username": "two words"},
        {"username": "x" * 61},
        {"username": "ALICE"},
        {"username": "nul\x00"},
        {"password1": "short", "password2": "short"},
        {"password1": "1234567890123", "password2": "1234567890123"},
        {"password2": "different"},
    ],
)
def test_signing_up_refuses_bad_input_beside_its_field(client, alice, given):
    filled = {"username": "eve", "password1": PASSWORD, "password2": PASSWORD} | given
    response = client.post("/agenda/sign-up/", filled)
    assert response.status_code == 200
    assert b"has-problem" in response.content
    assert User.objects.count() == 1


def test_a_name_taken_a_moment_ago_is_told_beside_its_field(client, alice, monkeypatch):
    # Somebody else, or a second click, signs up between the question and the answer.
    monkeypatch.setattr(SignUpForm, "validate_unique", lambda _: None)
    given = {"username": "alice", "password1": PASSWORD, "password2": PASSWORD}
    for path in ("/agenda/sign-up/", link := first_admin_path()):
        response = client.post(path, given, headers={"Accept-Language": "en"})
        assert response.status_code == 200
        assert "This name is taken." in response.content.decode()
    assert client.post(link, given | {"username": "root"}).status_code == 302


def test_each_mistake_in_a_password_is_a_line_of_its_own(client, db):
    given = {"username": "eve", "password1": "12345", "password2": "12345"}
    said = client.post("/agenda/sign-up/", given, headers={"Accept-Language": "en"})
    assert "too common.This" not in said.content.decode()
    assert "<br>" in said.content.decode()


def test_sign_up_can_be_closed(client, db, settings):
    settings.SIGNUP_OPEN = False
    given = {"username": "eve", "password1": PASSWORD, "password2": PASSWORD}
    assert client.post("/agenda/sign-up/", given).status_code == 403
    assert not User.objects.exists()
    assert b"sign-up" not in client.get(SIGN_IN).content


def test_signing_out_takes_a_post_and_ends_the_session(page):
    assert page.get("/agenda/sign-out/").status_code == 405
    page.post("/agenda/sign-out/")
    assert page.get("/agenda").status_code == 302
    assert not Session.objects.exists()


def test_a_new_password_ends_other_sessions_tokens_and_the_feed(page, alice):
    other = Client()
    other.force_login(alice)
    token, feed = token_for(alice), calendar_open(alice)
    given = {
        "old_password": PASSWORD,
        "new_password1": "quite another password",
        "new_password2": "quite another password",
    }
    page.post("/agenda/account/password/", given)
    alice.refresh_from_db()
    assert alice.check_password("quite another password")
    assert page.get("/agenda").status_code == 200
    assert other.get("/agenda").status_code == 302
    assert Session.objects.count() == 1
    assert token_find(token, at=timezone.now()) is None
    assert calendar_owner(feed) is None


def test_passwords_are_kept_with_argon2(settings):
    settings.PASSWORD_HASHERS = settings.REAL_PASSWORD_HASHERS
    assert make_password(PASSWORD).startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


def lock_out(client, **extra):
    return [sign_in(client, password="wrong", **extra).status_code for _ in range(6)]


def test_too_many_attempts_are_throttled_and_told_when_to_return(client, alice):
    assert lock_out(client)[-1] == 429
    response = sign_in(client)
    assert (response.status_code, response["Retry-After"]) == (429, "900")


def test_a_throttled_name_is_still_open_from_another_address(client, alice):
    lock_out(client)
    assert sign_in(client, REMOTE_ADDR="10.20.28.9").status_code == 302


def test_a_throttled_address_is_still_open_to_other_names(client, alice, bob):
    lock_out(client)
    assert sign_in(client, "bob", "another long password").status_code == 302


def test_another_spelling_of_a_name_is_throttled_too(client, alice):
    lock_out(client)
    assert sign_in(client, "Alice").status_code == 429


def spray(client, names=20, **extra):
    """One guess at each of many names, of which hardly any exists."""
    guesses = [sign_in(client, f"name{n}", "wrong", **extra).status_code for n in range(names)]
    return guesses[-2:]


def test_many_names_from_one_address_are_throttled_there_and_nowhere_else(client, alice, bob):
    assert spray(client) == [200, 429]
    refused = sign_in(client, headers={"Accept-Language": "en"})
    assert (refused.status_code, refused["Retry-After"]) == (429, "900")
    assert "many different names" in refused.content.decode()
    assert sign_in(client, REMOTE_ADDR="10.20.28.9").status_code == 302


def test_a_name_that_is_signed_in_to_in_the_end_was_no_guess(client, alice, bob):
    """Else a campus behind one address would lock itself out."""
    sign_in(client, "bob", "wrong")
    assert sign_in(client, "bob", "another long password").status_code == 302
    client.post("/agenda/sign-out/")
    spray(client, names=19)
    assert sign_in(client).status_code == 302


def test_who_is_signed_in_may_give_the_own_password_where_many_names_are_tried(page, alice):
    spray(Client())
    asked = page.post("/agenda/account/calendar/", {"password": PASSWORD})
    assert ".ics" in asked.content.decode()
    given = {"username": "bob", "password": "a guess", "next": "/admin/"}
    assert page.post("/admin/login/", given).status_code == 403, "no password is looked at there"


def test_of_many_passwords_at_once_most_are_refused_and_none_counts(client, alice, settings):
    """What is worked on or waits keeps a thread from showing pages."""
    settings.PASSWORD_HASHERS = settings.REAL_PASSWORD_HASHERS
    kept = make_password(PASSWORD)
    with ThreadPoolExecutor(3) as others:
        with hashers._AT_WORK:
            waiting = [others.submit(check_password, PASSWORD, kept) for _ in range(3)]
            while hashers._INSIDE._value:
                time.sleep(0.01)
            refused = sign_in(client, headers={"Accept-Language": "en"})
        assert [one.result() for one in waiting] == [True] * 3
    assert (refused.status_code, refused["Retry-After"]) == (503, "5")
    assert "not looked at" in refused.content.decode()
    assert not AccessAttempt.objects.exists()
    alice.set_password(PASSWORD)
    alice.save()
    assert sign_in(client).status_code == 302


def test_a_forged_forwarded_address_over_tcp_changes_nothing(client, alice):
    statuses = [
        sign_in(client, password="wrong", HTTP_X_FORWARDED_FOR=f"10.0.0.{n}").status_code
        for n in range(6)
    ]
    assert statuses[-1] == 429


def test_over_nginx_s_socket_the_address_is_what_nginx_says(client, alice):
    lock_out(client, REMOTE_ADDR="", HTTP_X_FORWARDED_FOR="10.0.0.1")
    again = {"REMOTE_ADDR": ""}
    assert sign_in(client, HTTP_X_FORWARDED_FOR="10.0.0.1", **again).status_code == 429
    assert sign_in(client, HTTP_X_FORWARDED_FOR="10.0.0.2", **again).status_code == 302


def writing(**given):
    later = timezone.localtime() + timedelta(days=2)
    return {"title": "Half a thought", "deadline_at": f"{later:%Y-%m-%d}T18:00"} | given


@pytest.mark.parametrize("where", ["new", "edit"])
def test_a_session_that_ends_while_writing_loses_no_text(client, add, where):
    path = "/agenda/tasks/new/" if where == "new" else f"/agenda/tasks/{add().id}/"
    asked = client.post(path, writing(notes="and notes"))
    assert asked.status_code == 401
    hidden = {f"kept-{name}": value for name, value in writing(notes="and notes").items()}
    for name, value in hidden.items():
        assert f'name="{name}"' in asked.content.decode()
        assert f'value="{value}"' in asked.content.decode()
    given = {"username": "alice", "password": PASSWORD, "next": path} | hidden
    wrong = client.post(SIGN_IN, given | {"password": "wrong"}).content.decode()
    assert "Half a thought" in wrong
    again = client.post(SIGN_IN, given).content.decode()
    assert 'value="Half a thought"' in again
    assert "and notes" in again
    assert f'action="{path}"' in again
    assert not Task.objects.filter(title="Half a thought").exists()


def test_words_kept_for_a_task_of_somebody_else_show_nothing_of_it(client, alice, bob, add):
    path = f"/agenda/tasks/{add('unspoken', owner=bob).id}/"
    given = {"username": "alice", "password": PASSWORD, "next": path, "kept-title": "x"}
    response = client.post(SIGN_IN, given)
    assert response.status_code == 404
    assert b"unspoken" not in response.content


def carried(path, **given):
    return {"next": path, "kept-title": "Half a thought", "kept-notes": "and notes"} | given


@pytest.mark.parametrize("is_old", [True, False])
def test_words_survive_a_sign_in_that_happened_in_another_tab(alice, is_old):
    browser = Client(enforce_csrf_checks=is_old, headers={"Sec-Fetch-Site": "same-origin"})
    browser.force_login(alice)
    given = carried("/agenda/tasks/new/", username="alice", password=PASSWORD)
    content = browser.post(SIGN_IN, given).content.decode()
    assert 'value="Half a thought"' in content
    assert 'action="/agenda/tasks/new/"' in content
    assert not Task.objects.exists()


def test_words_survive_a_sign_in_page_that_became_too_old(alice):
    browser = Client(enforce_csrf_checks=True, headers={"Sec-Fetch-Site": "same-origin"})
    given = carried("/agenda/tasks/new/", username="alice", password=PASSWORD)
    response = browser.post(SIGN_IN, given)
    content = response.content.decode()
    assert response.status_code == 401
    assert 'name="kept-title" value="Half a thought"' in content
    assert 'name="next" value="/agenda/tasks/new/"' in content
    assert PASSWORD not in content


def test_words_survive_being_locked_out(client, alice):
    lock_out(client)
    given = carried("/agenda/tasks/new/", username="alice", password="wrong")
    page = client.post(SIGN_IN, given)
    assert page.status_code == 429
    assert 'name="kept-notes" value="and notes"' in page.content.decode()
    back = client.post(SIGN_IN, carried("/agenda/tasks/new/")).content.decode()
    assert 'name="kept-notes" value="and notes"' in back
    assert 'name="next" value="/agenda/tasks/new/"' in back
    assert "has-problem" not in back


def test_words_survive_another_language_on_the_sign_in_page(client, add):
    path = f"/agenda/tasks/{add().id}/"
    asked = client.post(path, writing(), headers={"Accept-Language": "en"}).content.decode()
    footer = asked[asked.index("<footer>") :]
    assert 'name="kept-title" value="Half a thought"' in footer
    shown = client.post("/agenda/language/", carried(path, language="fr"))
    content = shown.content.decode()
    assert 'lang="fr"' in content
    assert 'name="kept-title" value="Half a thought"' in content
    assert f'name="next" value="{path}"' in content
    assert shown.cookies["django_language"].value == "fr"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/agenda/tasks/new/", {"title": "Half a thought", "deadline_at": "nonsense"}),
    ],
)
def test_words_survive_another_language_on_the_page_that_shows_them(page, alice, path, words):
    content = page.post(path, words).text
    footer = content[content.index("<footer>") :]
    for again in ("fr", "en"):
        for name, value in words.items():
            assert f'name="kept-{name}" value="{value}"' in footer
        assert f'name="next" value="{path}"' in footer
        sent = {f"kept-{name}": value for name, value in words.items()}
        content = page.post("/agenda/language/", {"language": again, "next": path} | sent).text
        assert f'<html lang="{again}"' in content
        assert 'value="Half a thought"' in content[: content.index("<footer>")]
        footer = content[content.index("<footer>") :]


def test_a_language_is_chosen_without_losing_what_was_searched_for(page):
    assert 'name="next" value="/agenda/search/?q=bread"' in page.get("/agenda/search/?q=bread").text


def test_quick_add_without_a_line_is_the_empty_form(page):
    assert page.get("/agenda/tasks/quick/")["Location"] == "/agenda/tasks/new/"


@pytest.mark.parametrize(
    ("origin", "is_ours"),
    [("http://testserver", True), ("http://elsewhere.example", False), ("null", False)],
)
def test_over_plain_http_the_origin_says_whose_old_form_it_is(alice, origin, is_ours):
    strict = Client(enforce_csrf_checks=True, headers={"Origin": origin})
    strict.force_login(alice)
    response = strict.post("/agenda/tasks/new/", writing())
    assert response.status_code == (200 if is_ours else 403)
    assert (b"Half a thought" in response.content) is is_ours


@pytest.mark.parametrize("site", ["same-origin", "cross-site", ""])
def test_an_old_form_of_our_own_loses_no_text_and_saves_nothing(alice, site):
    strict = Client(enforce_csrf_checks=True, headers={"Sec-Fetch-Site": site})
    strict.force_login(alice)
    response = strict.post("/agenda/tasks/new/", writing())
    is_ours = site == "same-origin"
    assert response.status_code == (200 if is_ours else 403)
    assert (b"Half a thought" in response.content) is is_ours
    assert not Task.objects.exists()


def first_admin_path():
    out = StringIO()
    call_command("agenda_first_admin", stdout=out)
    return out.getvalue().strip()


ADMIN = {"username": "root", "password1": PASSWORD, "password2": PASSWORD}


def test_the_first_administrators_link_works_once(client, db):
    path = first_admin_path()
    # Not no-referrer: the form would then be sent with "Origin: null" and refused.
    assert client.get(path)["Referrer-Policy"] == "same-origin"
    assert client.post(path, ADMIN)["Location"] == "/agenda"
    assert User.objects.get().is_superuser
    client.post("/agenda/sign-out/")
    assert client.get(path).status_code == 404
    assert client.post(path, ADMIN | {"username": "second"}).status_code == 404
    assert User.objects.count() == 1


def test_a_new_link_ends_the_one_before(client, db):
    before, after = first_admin_path(), first_admin_path()
    assert client.get(before).status_code == 404
    assert client.get(after).status_code == 200


def test_a_link_ends_after_a_day(client, db):
    token = first_admin_link_create(at=timezone.now() - timedelta(hours=24))
    assert client.get(f"/agenda/first-admin/{token}/").status_code == 404


def test_who_reads_the_database_cannot_use_the_link(db):
    token = first_admin_path().split("/")[-2]
    assert token not in str(FirstAdminLink.objects.values())


def probe(action, *options):
    out = StringIO()
    call_command("agenda_probe", action, *options, stdout=out)
    return out.getvalue()


def test_a_probe_signs_in_even_when_sign_up_is_closed(client, db, settings):
    settings.SIGNUP_OPEN = False
    given = json.loads(probe("create"))
    assert sign_in(client, given["username"], given["password"]).status_code == 302


def test_a_probe_of_another_host_or_run_is_left_alone(client, db):
    """Two hosts are asked at once, and one of them ends first."""
    first, second = json.loads(probe("create")), json.loads(probe("create"))
    assert probe(*second["remove"]) == "removed 1 probe account(s)\n"
    assert [user.username for user in User.objects.all()] == [first["username"]]
    assert sign_in(client, first["username"], first["password"]).status_code == 302


@pytest.mark.parametrize("purpose", ["verify", "api", "drill", "release"])
def test_a_new_probe_takes_along_what_killed_runs_left_with_all_it_held(
    client, alice, add, purpose
):
    add("of alice")
    old = json.loads(probe("create", "--purpose=release"))
    sign_in(client, old["username"], old["password"])
    add("of the probe", owner=User.objects.get(is_probe=True))
    User.objects.update(date_joined=timezone.now() - PROBE_LIVES - timedelta(seconds=1))
    new = json.loads(probe("create", f"--purpose={purpose}"))
    assert {user.username for user in User.objects.all()} == {"alice", new["username"]}
    assert [task.title for task in Task.objects.all()] == ["of alice"]
    assert not Session.objects.exists()


def test_removing_without_a_name_takes_all_probes_of_a_purpose(client, alice):
    probe("create")
    probe("create")
    drill = json.loads(probe("create", "--purpose=drill"))
    assert probe("remove") == "removed 2 probe account(s)\n"
    assert {user.username for user in User.objects.all()} == {"alice", drill["username"]}


def test_removing_by_name_takes_probes_alone(alice):
    assert probe("remove", "--username=alice") == "removed 0 probe account(s)\n"
    assert User.objects.filter(username="alice").exists()


def test_a_probe_has_a_token_of_the_api_which_goes_with_it(client, db, settings):
    token = json.loads(probe("create"))["token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/api/v1/tasks", headers=headers).json() == {"items": [], "next": None}
    probe("remove")
    assert client.get("/api/v1/tasks", headers=headers).status_code == 401
    settings.API_ENABLED = False
    assert "token" not in json.loads(probe("create"))


def test_removing_an_account_leaves_nothing_of_it(client, alice, add):
    add()
    sign_in(client, password="wrong")
    client.force_login(alice)
    account_remove(alice)
    counts = [model.objects.count() for model in (User, Task, Session, AccessAttempt)]
    assert counts == [0, 0, 0, 0]


def fields_with_text():
    """Names of what is typed into any form of ours."""

    def below(form):
        for child in form.__subclasses__():
            yield child
            yield from below(child)

    found = {form for base in (forms.Form, forms.ModelForm) for form in below(base)}
    ours = [form for form in found if form.__module__.startswith(("accounts.", "agenda.", "api."))]
    fields = [item for form in ours for item in form.base_fields.items()]
    chosen = {"language", "time_zone", "identity"}  # nothing that anybody types
    texts = {name for name, field in fields if isinstance(field, forms.CharField)}
    return (texts | {"line", "next"}) - chosen


def test_a_refused_password_leaves_no_other_word_of_its_form_in_the_database(page):
    """django-axes keeps the form of each; a title there would outlive its task."""
    given = {"new_password1": "SENTINEL", "new_password2": "SENTINEL"}
    page.post("/agenda/account/password/", given | {"old_password": "SENTINEL"})
    kept = {"kept-title": "SENTINEL", "next": "/agenda/search/?q=SENTINEL"}
    sign_in_fields = {"username": "alice", "password": "SENTINEL"}
    Client().post(SIGN_IN, sign_in_fields | kept)
    assert AccessAttempt.objects.exists()
    assert "SENTINEL" not in str(list(AccessAttempt.objects.values()))


def test_no_field_is_forgotten_that_a_refused_form_may_hold(db):
    names = fields_with_text()
    assert {"title", "notes", "new_password1", "code", "email"} <= names
    posted = QueryDict(mutable=True)
    for name in names:
        posted[name] = posted[f"kept-{name}"] = "SENTINEL"
    kept = get_query_str(posted, max_length=10**6)
    assert [line for line in kept.splitlines() if "SENTINEL" in line] == []


def test_the_admin_is_for_configured_networks_and_superusers(client, alice, settings):
    from ipaddress import ip_network  # noqa: PLC0415 - beside its only use

    alice.is_staff = alice.is_superuser = alice.factor_sealed = True
    alice.save()
    client.force_login(alice)
    assert client.get("/admin/").status_code == 200
    assert client.get("/admin/", REMOTE_ADDR="10.20.28.7").status_code == 404
    settings.ADMIN_NETWORKS = [ip_network("10.20.28.0/24")]
    assert client.get("/admin/", REMOTE_ADDR="10.20.28.7").status_code == 200
    assert client.get("/admin/", REMOTE_ADDR="", HTTP_X_FORWARDED_FOR="10.9.9.9").status_code == 404
