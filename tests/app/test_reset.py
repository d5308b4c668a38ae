"""A forgotten password: the link comes by e-mail, works once, and tells nobody who is here."""

from __future__ import annotations

import re
import time
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.core.management import call_command
from django.utils import timezone

from accounts import reset
from accounts.models import ResetRequest, Session
from accounts.services import account_create, calendar_open, calendar_owner
from api.services import token_find
from tests.app.api.program import token_for
from tests.app.smtp_stand_in import MailServer

ASK = "/agenda/reset/"
ADDRESS = "alice@example.org"
NEW = {"new_password1": "another good one 42", "new_password2": "another good one 42"}


def link_in(text):
    found = re.findall(r"http://testserver(/agenda/reset/\S+)", text)
    assert len(found) == 1, text
    return found[0]


@pytest.fixture
def with_mail(settings):
    settings.MAIL_ENABLED = True
    return settings


@pytest.fixture
def mailbox(with_mail, mailoutbox, monkeypatch):
    """Letters as Django's tests keep them, sent before the answer rather than after it."""
    monkeypatch.setattr(reset, "_soon", lambda letter: letter())
    return mailoutbox


@pytest.fixture
def reachable(alice):
    alice.email = ADDRESS
    alice.save()
    return alice


def test_without_mail_there_is_no_reset_and_no_word_of_it(client, db):
    for path in (ASK, f"{ASK}sent/", f"{ASK}MQ/token/"):
        assert client.get(path).status_code == 404, path
    assert ASK not in client.get("/agenda/sign-in/").content.decode()
    assert "email" not in client.get("/agenda/sign-up/").content.decode()


def test_with_mail_sign_in_offers_it(client, db, with_mail):
    assert f'href="{ASK}"' in client.get("/agenda/sign-in/").content.decode()


def test_sign_up_takes_an_address_for_that_day(client, db, with_mail):
    twice = {"password1": "a long enough one", "password2": "a long enough one"}
    given = {"username": "carol", "email": ADDRESS} | twice
    assert client.post("/agenda/sign-up/", given).status_code == 302
    assert client.get("/agenda/account/").context["user"].email == ADDRESS


def test_the_link_sets_a_new_password_once(client, reachable, mailbox):
    assert client.post(ASK, {"email": ADDRESS})["Location"] == f"{ASK}sent/"
    (letter,) = mailbox
    assert letter.to == [ADDRESS]
    assert "alice" in letter.body
    path = link_in(letter.body)
    form = client.get(path, follow=True)
    assert form.status_code == 200
    here = form.redirect_chain[-1][0]
    assert "set-password" in here, "the token does not stay in the address"
    assert client.post(here, NEW)["Location"] == "/agenda/sign-in/"
    signed_in = {"username": "alice", "password": NEW["new_password1"]}
    assert client.post("/agenda/sign-in/", signed_in)["Location"] == "/agenda"
    again = client.get(path, follow=True)
    assert again.status_code == 404
    assert "no longer works" in again.content.decode()


def test_a_new_password_signs_every_device_out_and_forgives_failures(
    client, page, reachable, mailbox
):
    page.get("/agenda")
    AccessAttempt.objects.create(
        username="alice", ip_address="10.0.0.9", failures_since_start=6, attempt_time=timezone.now()
    )
    assert Session.objects.filter(user=reachable).exists()
    token, feed = token_for(reachable), calendar_open(reachable)
    stranger = type(client)()
    stranger.post(ASK, {"email": ADDRESS})
    here = stranger.get(link_in(mailbox[0].body), follow=True).redirect_chain[-1][0]
    stranger.post(here, NEW)
    assert not Session.objects.filter(user=reachable).exists()
    assert page.get("/agenda").status_code == 302
    assert token_find(token, at=timezone.now()) is None
    assert calendar_owner(feed) is None
    assert not AccessAttempt.objects.exists()


@pytest.mark.parametrize("host", ["localhost:6666", "testserver:8888"])
def test_the_letter_names_the_configured_site_whatever_host_was_asked_for(
    client, reachable, mailbox, host
):
    assert client.post(ASK, {"email": ADDRESS}, headers={"host": host}).status_code == 302
    assert link_in(mailbox[0].body)
    assert host not in mailbox[0].body


def test_a_weak_password_is_refused_and_the_link_still_works(client, reachable, mailbox):
    client.post(ASK, {"email": ADDRESS})
    here = client.get(link_in(mailbox[0].body), follow=True).redirect_chain[-1][0]
    weak = client.post(here, {"new_password1": "12345", "new_password2": "12345"})
    assert weak.status_code == 200
    assert weak.context["form"].errors
    assert client.post(here, NEW).status_code == 302


def test_an_old_link_is_refused(client, reachable, mailbox, settings):
    client.post(ASK, {"email": ADDRESS})
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert client.get(link_in(mailbox[0].body)).status_code == 404


@pytest.mark.parametrize(
    "path", ["MQ/token/", "%00/%00/", "bm90LWEtdXVpZA/x-y/", "é/à/", "a" * 3000 + "/b/"]
)
def test_an_invented_link_is_refused(client, db, with_mail, path):
    assert client.get(ASK + path).status_code == 404


def test_the_answer_does_not_tell_who_has_an_account(client, reachable, mailbox):
    there = client.post(ASK, {"email": ADDRESS})
    nowhere = client.post(ASK, {"email": "nobody@example.org"})
    assert (there.status_code, there["Location"]) == (nowhere.status_code, nowhere["Location"])
    assert len(mailbox) == 1


def test_the_answer_never_waits_for_the_mail(client, reachable, with_mail, monkeypatch):
    """The account is looked for, and the letter sent, by another thread: same time for everybody"""
    given = []
    monkeypatch.setattr(reset._POSTMAN, "submit", lambda *call: given.append(call))
    for address in (ADDRESS, "nobody@example.org"):
        client.post(ASK, {"email": address})
    assert [call[0] for call in given] == [reset._deliver, reset._deliver]
    for _ in given:
        reset._ROOM.release()


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"is_active": False}, id="a closed account"),
        pytest.param({"password": "!unusable"}, id="no password of ours"),
    ],
)
def test_who_cannot_sign_in_gets_no_letter(client, reachable, mailbox, fault):
    type(reachable).objects.filter(pk=reachable.pk).update(**fault)
    client.post(ASK, {"email": ADDRESS})
    assert mailbox == []


def test_an_address_that_only_looks_alike_gets_no_letter(client, reachable, mailbox):
    """The database takes é for e: another person's mailbox."""
    client.post(ASK, {"email": "alicé@example.org"})
    assert mailbox == []


def test_each_account_of_an_address_gets_a_letter_in_its_own_language(client, reachable, mailbox):
    account_create(username="bob", password="long enough it is", language="fr", email=ADDRESS)
    client.post(ASK, {"email": ADDRESS}, headers={"accept-language": "en"})
    assert sorted(letter.subject for letter in mailbox) == [
        "A new password for the agenda",
        "Un nouveau mot de passe pour l’agenda",
    ]


def test_asking_too_often_is_refused_here_and_not_elsewhere(client, reachable, mailbox):
    for _ in range(reset.ASKED_MAX):
        assert client.post(ASK, {"email": ADDRESS}).status_code == 302
    refused = client.post(ASK, {"email": ADDRESS})
    assert refused.status_code == 429
    assert 3500 < int(refused["Retry-After"]) <= 3600
    assert client.post(ASK, {"email": "b@example.org"}).status_code == 302
    elsewhere = client.post(ASK, {"email": ADDRESS}, REMOTE_ADDR="10.0.0.8")
    assert elsewhere.status_code == 302
    assert len(mailbox) == reset.ASKED_MAX + 1


def test_a_mailbox_is_not_flooded_from_many_places(client, reachable, mailbox):
    for number in range(reset.SENT_MAX + 5):
        answer = client.post(ASK, {"email": ADDRESS}, REMOTE_ADDR=f"10.0.1.{number}")
        assert answer.status_code == 302, "whoever asks is told nothing"
    assert len(mailbox) == reset.SENT_MAX


def test_what_was_asked_is_forgotten_after_an_hour(client, reachable, mailbox):
    client.post(ASK, {"email": ADDRESS})
    asked = ResetRequest.objects.get()
    assert ADDRESS not in (asked.whose_sha256 + asked.where_sha256)
    call_command("agenda_expire", verbosity=0)
    assert ResetRequest.objects.exists()
    ResetRequest.objects.update(asked_at=timezone.now() - timedelta(hours=1))
    call_command("agenda_expire", verbosity=0)
    assert not ResetRequest.objects.exists()


def test_a_wrong_address_is_said(client, db, with_mail):
    answer = client.post(ASK, {"email": "not an address"})
    assert answer.status_code == 422
    assert answer.context["form"].errors


def over_smtp(settings, server):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.DEFAULT_FROM_EMAIL = "agenda@example.org"
    settings.EMAIL_USE_TLS = False


@pytest.mark.django_db(transaction=True)
def test_the_letter_leaves_over_smtp(client, with_mail, settings):
    account_create(username="renée", password="a long enough one", language="fr", email=ADDRESS)
    with MailServer() as server:
        over_smtp(settings, server)
        client.post(ASK, {"email": ADDRESS})
        letter = server.next_letter()
    assert (letter.sender, letter.receivers) == ("agenda@example.org", [ADDRESS])
    assert letter.message["Subject"] == "Un nouveau mot de passe pour l’agenda"
    assert "renée" in letter.text
    assert client.get(link_in(letter.text), follow=True).status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("behaviour", ["refuse", "hang up", "no tls"])
def test_a_mail_server_that_fails_is_an_operators_line_and_nothing_else(
    client, with_mail, settings, monkeypatch, behaviour
):
    """ "no tls": encryption is asked for and not offered, so nothing is said in clear."""
    account_create(username="alice", password="a long enough one", email=ADDRESS)
    lines = []
    monkeypatch.setattr(reset.log, "error", lambda *said: lines.append(said[0] % said[1:]))
    with MailServer(behaviour) as server:
        over_smtp(settings, server)
        settings.EMAIL_USE_TLS = behaviour == "no tls"
        assert client.post(ASK, {"email": ADDRESS}).status_code == 302
        limit = time.monotonic() + 10
        while not lines and time.monotonic() < limit:
            time.sleep(0.02)
        assert server.letters == []
        assert not any("MAIL" in line for line in server.commands) or behaviour == "refuse"
    (line,) = lines
    assert "a letter could not be sent" in line
    assert ADDRESS not in line


def test_letters_that_wait_are_bounded(monkeypatch):
    held = []
    monkeypatch.setattr(reset._POSTMAN, "submit", lambda *call: held.append(call))
    for _ in range(reset.WAITING_MAX + 3):
        reset._soon(lambda: None)
    assert len(held) == reset.WAITING_MAX
    for _ in held:
        reset._ROOM.release()
