"""What is known of what happened to accounts, who sees it, how long it is kept, and what is not."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path

import jsonschema
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pyotp import TOTP

from accounts.audit import SHOWN, note
from accounts.models import AuditLine, User
from accounts.second_factor import factor_set
from accounts.services import account_remove
from agenda.models import Task
from tests.app.api.program import token_for

PASSWORD = "a long enough password"
OTHER = "quite another one 42"
APP = TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
ACCOUNT = "/agenda/account/"
SCHEMA = Path(__file__).parents[2] / "rollout/audit.schema.json"
What = AuditLine.What


def kinds(user=None) -> list[str]:
    lines = AuditLine.objects.order_by("at")
    return list(
        (lines.filter(account_id=user.pk) if user else lines).values_list("what", flat=True)
    )


def signs_in(client, password=PASSWORD, **more):
    return client.post("/agenda/sign-in/", {"username": "alice", "password": password}, **more)


@pytest.fixture
def with_mail(settings):
    settings.MAIL_ENABLED = True


def test_signing_in_and_being_refused_are_noted_with_address_and_device(client, alice):
    agent = {"User-Agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0"}
    signs_in(client, "wrong", REMOTE_ADDR="10.20.28.9")
    signs_in(client, headers=agent, REMOTE_ADDR="10.20.28.7")
    found = list(AuditLine.objects.order_by("at").values_list("what", "address", "detail"))
    assert found == [
        ("refused", "10.20.28.9", ""),
        ("sign-in", "10.20.28.7", "Firefox, Linux"),
    ]


def test_a_name_that_nobody_has_is_not_kept(client, alice):
    """It may be a password, typed in the wrong field."""
    client.post("/agenda/sign-in/", {"username": OTHER, "password": "x"})
    assert not AuditLine.objects.exists()


def test_what_the_throttle_turns_away_is_not_noted(client, alice):
    for _ in range(30):
        answer = signs_in(client, "wrong")
    assert answer.status_code == 429
    assert 0 < AuditLine.objects.count() < 10


@pytest.mark.parametrize(
    ("path", "given", "what"),
    [
        ("password/", {"new_password1": OTHER, "new_password2": OTHER}, "password-changed"),
        ("email/", {"email": "new@example.org"}, "email-changed"),
        ("tokens/", {"name": "phone", "scopes": ["read"], "days": "30"}, "token-made"),
        ("second-factor/", {"codes": ""}, "recovery-codes-made"),
        ("second-factor/", {"remove": ""}, "factor-removed"),
        ("sessions/", {"others": ""}, "sessions-ended"),
    ],
)
def test_what_changes_access_is_noted(page, with_mail, path, given, what):
    alice = User.objects.get()
    if path == "second-factor/":
        factor_set(alice, APP, step=1)
    wrong = {"password": "wrong", "old_password": "wrong"}
    if path != "sessions/":
        assert page.post(ACCOUNT + path, given | wrong).status_code in {200, 422}
        assert kinds(alice) == ["refused"]
        AuditLine.objects.all().delete()
    page.post(ACCOUNT + path, given | {"password": PASSWORD, "old_password": PASSWORD})
    assert kinds(alice) == [what]


def test_a_second_factor_and_a_wrong_code_are_noted(client, alice):
    factor_set(alice, APP, step=1)
    signs_in(client)
    assert kinds() == []
    client.post("/agenda/sign-in/code/", {"code": "000000"})
    client.post("/agenda/sign-in/code/", {"code": APP.at(timezone.now())})
    assert kinds(alice) == ["code-refused", "sign-in"]


def test_a_tokens_first_use_is_noted_and_no_other(client, alice):
    token = token_for(alice)
    for _ in range(3):
        client.get("/api/v1/tasks", headers={"Authorization": f"Bearer {token}"})
    line = AuditLine.objects.get(what="token-used")
    assert line.account_id == alice.pk
    assert line.detail == f"…{token[-4:]}"


def test_a_reset_is_noted(client, alice):
    from accounts.reset import reset_path  # noqa: PLC0415 - beside its only use

    here = client.get(reset_path(alice), follow=True).redirect_chain[-1][0]
    client.post(here, {"new_password1": OTHER, "new_password2": OTHER})
    assert kinds(alice) == ["password-reset"]


def test_what_an_operator_does_is_noted_without_an_address(alice):
    factor_set(alice, APP, step=1)
    call_command("agenda_first_admin", stdout=StringIO())
    call_command("agenda_factor_reset", "alice", stdout=StringIO())
    assert kinds() == ["admin-link", "factor-reset"]
    assert {line.address for line in AuditLine.objects.all()} == {""}


def test_an_account_takes_its_lines_along_but_that_it_left(page, alice, bob):
    note(What.SIGN_IN, bob.pk, request=None)
    note(What.SIGN_IN, alice.pk, request=None)
    page.post(f"{ACCOUNT}leave/", {"password": PASSWORD})
    assert kinds() == ["sign-in", "left"]
    left = AuditLine.objects.get(what="left")
    assert (left.account_id, left.address, left.detail) == (alice.pk, "", "")
    assert "alice" not in str(AuditLine.objects.values())


def test_a_probe_leaves_no_line(client, db):
    out = StringIO()
    call_command("agenda_probe", "create", stdout=out)
    account = json.loads(out.getvalue())
    client.post("/agenda/sign-in/", {name: account[name] for name in ("username", "password")})
    account_remove(User.objects.get())
    assert kinds() == []


def test_a_restored_account_that_had_left_goes_with_its_lines(alice, monkeypatch):
    note(What.SIGN_IN, alice.pk, request=None)
    monkeypatch.setattr("sys.stdin", StringIO(f"accounts.user {alice.pk}\n"))
    call_command("agenda_forget_again", stdout=StringIO())
    assert kinds() == ["restored"]


def test_no_word_and_no_secret_is_ever_in_it(client, alice, add):
    add("SENTINEL of a title", notes="SENTINEL of a note")
    factor_set(alice, APP, step=1)
    code = APP.at(timezone.now())
    signs_in(client, "SENTINEL of a password", headers={"User-Agent": "SENTINEL"})
    kept = {"kept-title": "SENTINEL", "next": "/agenda/tasks/new/?q=SENTINEL"}
    given = {"username": "alice", "password": PASSWORD}
    client.post("/agenda/sign-in/", given | kept, headers={"User-Agent": "SENTINEL"})
    client.post("/agenda/sign-in/code/", {"code": code} | kept)
    order = {"name": "SENTINEL", "scopes": ["read"], "days": "30", "password": PASSWORD}
    token = client.post(f"{ACCOUNT}tokens/", order).context["text"]
    client.get("/api/v1/tasks?q=SENTINEL", headers={"Authorization": f"Bearer {token}"})
    assert kinds(alice) == ["refused", "sign-in", "token-made", "token-used"]
    found = str(list(AuditLine.objects.values()))
    assert "SENTINEL" not in found
    for secret in (PASSWORD, code, token, APP.secret):
        assert secret not in found
    assert Task.objects.count() == 1


@pytest.mark.parametrize(("language", "word"), [("fr", "connexion"), ("en", "signed in")])
def test_the_account_page_shows_ones_own_last_lines(page, alice, bob, language, word):
    User.objects.update(language=language)
    note(What.REFUSED, bob.pk, request=None, detail="of bob")
    for number in range(SHOWN + 5):
        note(What.SIGN_IN, alice.pk, request=None, detail=f"device {number}")
    text = page.get(ACCOUNT).content.decode()
    assert word in text
    assert "device 24" in text
    assert text.count("device ") == SHOWN
    assert "of bob" not in text


def test_lines_are_kept_as_long_as_the_operator_says(alice, settings):
    settings.AUDIT_DAYS = 7
    for days in (6, 8):
        note(What.SIGN_IN, alice.pk, request=None, detail=f"{days}")
        AuditLine.objects.filter(detail=days).update(at=timezone.now() - timedelta(days=days))
    call_command("agenda_expire", stdout=StringIO())
    assert [line.detail for line in AuditLine.objects.all()] == ["6"]


def test_the_about_page_says_how_long(client, db, settings):
    settings.AUDIT_DAYS = 30
    answer = client.get("/agenda/about/", headers={"Accept-Language": "en"})
    assert "30 days" in answer.content.decode()


def test_the_export_holds_ones_own_lines(page, alice, bob):
    note(What.SIGN_IN, bob.pk, request=None, detail="of bob")
    note(What.SIGN_IN, alice.pk, request=None, detail="Firefox")
    text = page.post(f"{ACCOUNT}export/", {"password": PASSWORD}).getvalue().decode()
    assert [(line["what"], line["detail"]) for line in json.loads(text)["audit"]] == [
        ("sign-in", "Firefox")
    ]


@pytest.mark.parametrize("path", ["/agenda", "/agenda/month/", "/agenda/search/?q=t"])
def test_ordinary_pages_neither_read_nor_write_it(page, add, path):
    add()
    with CaptureQueriesContext(connection) as questions:
        assert page.get(path).status_code == 200
    assert not [one["sql"] for one in questions if "audit_line" in one["sql"]]


def audit(*options: str) -> str:
    out = StringIO()
    call_command("agenda_audit", *options, stdout=out)
    return out.getvalue()


def test_the_operator_reads_all_of_it_or_of_one_account_or_since_a_day(client, alice, bob):
    note(What.SIGN_IN, bob.pk, request=None)
    signs_in(client, REMOTE_ADDR="10.20.28.7")
    AuditLine.objects.filter(account_id=bob.pk).update(at=timezone.now() - timedelta(days=3))
    lines = audit().splitlines()
    assert [line.split()[1:3] for line in lines] == [["bob", "sign-in"], ["alice", "sign-in"]]
    assert "10.20.28.7" in lines[1]
    assert "alice" not in audit("--name=BOB")
    yesterday = timezone.localdate() - timedelta(days=1)
    assert [line.split()[1] for line in audit(f"--since={yesterday}").splitlines()] == ["alice"]
    assert audit("--name=nobody") == ""


def test_machines_read_it_as_the_schema_says(client, alice):
    signs_in(client)
    account_remove(alice)
    told = json.loads(audit("--json"))
    jsonschema.validate(told, json.loads(SCHEMA.read_text("utf-8")))
    assert [line["what"] for line in told["lines"]] == ["left"]


def test_the_schema_names_every_kind():
    schema = json.loads(SCHEMA.read_text("utf-8"))
    named = schema["properties"]["lines"]["items"]["properties"]["what"]["enum"]
    assert named == What.values


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01", "30/11/2026"])
def test_an_instant_that_is_none_is_said_in_two_lines(db, since):
    with pytest.raises(CommandError, match="is no day and no instant\n  Next: give SINCE="):
        audit(f"--since={since}")


def test_who_signs_in_elsewhere_sees_it_here(page, alice):
    signs_in(Client(), REMOTE_ADDR="10.20.28.7")
    assert "10.20.28.7" in page.get(ACCOUNT).content.decode()
