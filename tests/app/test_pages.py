"""What every answer has: language, headers, our own error pages."""

from __future__ import annotations

import re

import pytest
from django.contrib.staticfiles import finders
from django.db import OperationalError, close_old_connections
from django.test import Client
from django.utils import translation

SCREENS = ["/agenda/sign-in/", "/agenda/sign-up/", "/agenda/about/"]
OWN_SCREENS = ["/agenda", "/agenda/tasks/new/", "/agenda/account/", "/agenda/account/password/"]


@pytest.fixture
def screens(page):
    return [page.get(path) for path in OWN_SCREENS] + [Client().get(path) for path in SCREENS]


def test_no_screen_has_inline_script_or_style(screens):
    for response in screens:
        content = response.content.decode()
        assert response.status_code == 200
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", content)
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", content))


def test_no_screen_loads_anything_from_elsewhere(screens):
    for response in screens:
        sources = re.findall(r'(?:src|href|action)="([^"]*)"', response.content.decode())
        assert all(re.match(r"[/#?]", source) and not source.startswith("//") for source in sources)


def test_security_headers_are_on_every_answer(client, db):
    for path in ["/agenda/sign-in/", "/agenda", "/nothing", "/healthz", "/agenda/tasks/1/"]:
        headers = client.get(path).headers
        assert headers["Content-Security-Policy"].startswith(
            "default-src 'none'; script-src 'self';"
        )
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "no-store" in headers["Cache-Control"]


@pytest.mark.parametrize(
    ("accepted", "word"),
    [
        ("", "Se connecter"),
        ("fr", "Se connecter"),
        ("de", "Se connecter"),
        ("en-GB,en;q=0.9,fr;q=0.5", "Sign in"),
    ],
)
def test_french_comes_first_and_english_by_the_browser(client, accepted, word):
    response = client.get("/agenda/sign-in/", HTTP_ACCEPT_LANGUAGE=accepted)
    assert word in response.content.decode()


def test_a_chosen_language_stays_with_the_browser_and_the_account(page, alice):
    response = page.post("/agenda/language/", {"language": "fr", "next": "/agenda/about/"})
    assert response["Location"] == "/agenda/about/"
    assert 'lang="fr"' in page.get("/agenda").content.decode()
    alice.refresh_from_db()
    assert alice.language == "fr"
    page.post("/agenda/sign-out/")
    assert (
        "Se connecter" in page.get("/agenda/sign-in/", HTTP_ACCEPT_LANGUAGE="en").content.decode()
    )


@pytest.mark.django_db
@pytest.mark.parametrize("after", ["https://elsewhere.example/", "//elsewhere.example", ""])
def test_choosing_a_language_never_leads_elsewhere(client, after):
    response = client.post("/agenda/language/", {"language": "en", "next": after})
    assert response["Location"] == "/agenda"


@pytest.mark.django_db
def test_an_unknown_language_changes_nothing(client):
    assert "django_language" not in client.post("/agenda/language/", {"language": "xx"}).cookies


WORDS = {
    400: ("illisible", "cannot be read"),
    403: ("trop vieille", "too old"),
    404: ("rien ici", "nothing here"),
    500: ("notre faute", "our fault"),
    503: ("se repose", "resting"),
}


@pytest.mark.parametrize(("language", "word"), [("fr", "rien ici"), ("en", "nothing here")])
def test_what_is_refused_before_its_language_is_known_is_told_in_it(client, language, word):
    translation.activate("en" if language == "fr" else "fr")  # of who was served before
    stranger = {"REMOTE_ADDR": "192.0.2.1", "HTTP_ACCEPT_LANGUAGE": language}
    content = client.get("/admin/", **stranger).text
    assert word in content
    assert f'<html lang="{language}"' in content


@pytest.mark.parametrize(
    ("language", "words"),
    [("fr", "ne s’ouvre pas ainsi"), ("en", "cannot be opened like this")],
)
def test_an_address_of_a_button_has_a_page_for_who_opens_it(page, alice, add, language, words):
    alice.language = language
    alice.save()
    for path in ("/agenda/sign-out/", f"/agenda/tasks/{add().id}/remove/"):
        response = page.get(path)
        assert response.status_code == 405
        assert response["Allow"].startswith("POST")
        assert words in response.text


def break_the_database(*args, **kwargs):
    raise OperationalError(2002, "Can't connect to local server")


def break_the_code(*args, **kwargs):
    raise RuntimeError("a bug")


@pytest.mark.parametrize("status", WORDS)
@pytest.mark.parametrize(("language", "index"), [("fr", 0), ("en", 1)])
def test_error_pages_are_ours_in_both_languages(monkeypatch, rf, status, language, index):
    browser = Client(
        raise_request_exception=False,
        enforce_csrf_checks=True,
        headers={"Accept-Language": language},
    )
    if status == 400:
        response = browser.get("/agenda", HTTP_HOST="evil.example")
    elif status == 403:
        response = browser.post("/agenda/sign-in/", {})
    elif status == 404:
        response = browser.get("/agenda/nothing/")
    else:
        wrong = break_the_code if status == 500 else break_the_database
        monkeypatch.setattr("agenda.views.reading.render", wrong)
        response = browser.get("/agenda/about/")
    content = response.content.decode()
    assert response.status_code == status
    assert WORDS[status][index] in content
    assert f'lang="{language}"' in content
    assert "Content-Security-Policy" in response.headers
    assert response.headers.get("Retry-After") == ("5" if status == 503 else None)


@pytest.mark.django_db(transaction=True)
def test_a_stopped_database_gives_503_and_full_service_afterwards(mariadb, alice):
    browser = Client(raise_request_exception=False, headers={"Accept-Language": "en"})
    browser.force_login(alice)

    def ask(path):
        close_old_connections()  # as at the start of each real request; the test client does not
        return browser.get(path)

    assert ask("/agenda").status_code == 200
    mariadb.stop()
    try:
        answers = [ask("/agenda"), ask("/agenda"), browser.post("/agenda/tasks/new/", {})]
        ready, alive = ask("/readyz"), ask("/healthz")
    finally:
        mariadb.start()
    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert b"resting" in answers[0].content
    assert (ready.status_code, alive.status_code) == (503, 200)
    assert [ask(path).status_code for path in ("/agenda", "/readyz")] == [200, 200]


def test_machines_can_ask_whether_it_serves(client, db):
    assert client.get("/healthz").content == b"ok\n"
    response = client.get("/readyz")
    assert (response.status_code, set(response.json().values())) == (200, {"ok"}), response.content


def test_a_body_of_10_megabytes_is_refused(page):
    response = page.post("/agenda/tasks/new/", {"notes": "x" * 10_000_000})
    assert response.status_code in {400, 413}


@pytest.mark.parametrize("method", ["put", "delete", "patch", "trace", "options"])
def test_other_methods_are_refused(page, method):
    assert getattr(page, method)("/agenda").status_code == 405


@pytest.mark.parametrize(("language", "word"), [("fr", "Ajouter une tâche"), ("en", "Add a task")])
def test_the_agenda_can_be_installed(client, language, word):
    answer = client.get("/agenda/manifest.webmanifest", HTTP_ACCEPT_LANGUAGE=language)
    told = answer.json()
    assert answer["Content-Type"] == "application/manifest+json"
    assert (told["start_url"], told["display"], told["lang"]) == ("/agenda", "standalone", language)
    assert told["shortcuts"][0]["name"] == word
    for icon in told["icons"]:
        assert finders.find(icon["src"].removeprefix("/static/"))
    assert 'rel="manifest"' in client.get("/agenda/sign-in/").text
