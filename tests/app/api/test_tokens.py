"""Tokens: what they look like, what is kept of them, who may do what with one, how they end."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts.services import account_create
from api.models import HINT_LENGTH, PREFIX, SCOPES, Token, is_token, new_token
from api.services import Order, token_create, token_find
from api.v1 import api as v1
from tests.app.api.program import Program, task, token_for

pytestmark = pytest.mark.django_db

TOKENS = "/agenda/account/tokens/"
KEY = b"k" * 50
AGAIN = {"password": "a long enough password"}


def test_a_token_is_found_by_a_secret_scanner_and_told_from_a_lookalike():
    token = new_token()
    assert re.fullmatch(r"ctlv_[0-9A-Za-z]{46}", token)
    assert is_token(token)
    last = "0" if token[-1] != "0" else "1"
    for other in ("", "ctlv_", token[:-1], token + "0", token[:-1] + last, token[5:], "é" * 51):
        assert not is_token(other)


def test_only_a_keyed_hash_is_kept(alice):
    text = token_for(alice)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM api_token")
        row = "".join(str(value) for value in cursor.fetchall())
    assert text not in row
    assert text[len(PREFIX) : -HINT_LENGTH] not in row


def test_another_key_makes_every_token_worthless(alice, settings):
    text = token_for(alice)
    settings.API_TOKEN_KEYS = [KEY]
    assert token_find(text, at=timezone.now()) is None


def test_what_was_made_with_the_key_before_counts_while_that_is_accepted(alice, settings):
    program = Program(text := token_for(alice, "read", "create", "write"))
    made = program.post("/tasks", body := task(), Idempotency_Key="k")
    settings.API_TOKEN_KEYS = [KEY, *settings.API_TOKEN_KEYS]
    assert token_find(text, at=timezone.now()) is not None
    again = program.post("/tasks", body, Idempotency_Key="k")
    assert again.json()["id"] == made.json()["id"]
    assert token_find(token_for(alice), at=timezone.now()) is not None
    settings.API_TOKEN_KEYS = [KEY]
    assert token_find(text, at=timezone.now()) is None


NEEDS = {
    **dict.fromkeys(("list_tasks", "read_task", "dump_tasks", "hear_task", "hear_day"), "read"),
    **dict.fromkeys(("read_me", "list_tokens"), "read"),
    "create_task": "create",
    **dict.fromkeys(("replace_task", "change_task", "keep_task", "remove_task"), "write"),
    **dict.fromkeys(("finish_task", "undo_task"), "write"),
    "revoke_token": "write",
}
OPERATIONS = {
    operation["operationId"]: (method.upper(), path)
    for path, of_path in v1.contract["paths"].items()
    for method, operation in of_path.items()
    if operation.get("security")
}


@pytest.fixture
def asked(alice, add):
    """Asks an operation about what is Alice's, with a new token."""

    def ask(name, owner, *scopes):
        method, path = OPERATIONS[name]
        order = Order(name="spare", scopes=["read"], days=3)
        spare = token_create(order, owner_id=alice.pk, at=timezone.now())[0]
        address = path.format(task_id=add("Hers").pk, token_id=spare.pk)
        sent = {"PATCH": {"notes": "x"}, "POST": task(), "PUT": task()}.get(method)
        if name == "keep_task":
            sent = {"minutes": 60}
        program = Program(token_for(owner, *scopes))
        return program(method, address.removeprefix("/api/v1"), sent, If_Match="*")

    return ask


def test_the_matrix_of_scopes_has_every_operation():
    assert NEEDS.keys() == OPERATIONS.keys()


@pytest.mark.parametrize("given", SCOPES)
@pytest.mark.parametrize(("name", "needed"), NEEDS.items())
def test_a_token_does_what_its_scope_says(alice, asked, name, needed, given):
    answer = asked(name, alice, given)
    if given == needed:
        assert answer.status_code in {200, 201, 204}, answer.content
    else:
        assert answer.status_code == 403
        assert answer.json()["type"].endswith("#problem-insufficient-scope")
        assert 'error="insufficient_scope"' in answer["WWW-Authenticate"]


@pytest.mark.parametrize("name", NEEDS)
def test_a_strangers_token_reaches_nothing_of_hers(bob, asked, name):
    answer = asked(name, bob, *SCOPES)
    is_about_one = "{" in OPERATIONS[name][1]
    assert answer.status_code == 404 if is_about_one else answer.status_code < 300, answer.content
    assert b"Hers" not in b"".join(answer)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic YTpi", "bearer x", "Bearer ctlv_", "Bearer \xe9", "ctlv_x y"],
)
def test_without_a_valid_token_the_answer_is_401_and_says_how(api, header):
    answer = api.get("/tasks", Authorization=header)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith('Bearer realm="agenda"')


def test_a_token_in_the_address_is_worth_nothing(api, stranger):
    for name in ("token", "access_token", "Authorization"):
        assert stranger.get(f"/tasks?{name}={api.token}").status_code == 401


def test_a_browsers_session_is_worth_nothing(page):
    assert page.get("/api/v1/tasks").status_code == 401


def test_a_token_ends_with_its_time_its_owner_and_at_a_word(alice, api, page):
    assert api.get("/me").status_code == 200
    at = timezone.now() + timedelta(days=3, seconds=1)
    assert token_find(api.token, at=at) is None
    alice.is_active = False
    alice.save()
    assert api.get("/me").status_code == 401
    alice.is_active = True
    alice.save()
    assert api.get("/me").status_code == 200
    page.post(f"{TOKENS}{Token.objects.get().pk}/revoke/")
    assert api.get("/me").status_code == 401


def test_the_api_revokes_its_users_other_tokens_and_no_strangers(alice, api, bob, stranger):
    stranger.token = token_for(bob)
    theirs = stranger.get("/tokens").json()["items"][0]["id"]
    lost = Program(token_for(alice, "read", name="lost"))
    mine = {token["hint"]: token["id"] for token in api.get("/tokens").json()["items"]}
    assert set(mine) == {api.token[-4:], lost.token[-4:]}
    assert api("DELETE", f"/tokens/{theirs}").status_code == 404
    own = api("DELETE", f"/tokens/{mine[api.token[-4:]]}")
    assert (own.status_code, own.json()["type"]) == (409, "/api/v1/docs#problem-token-in-use")
    assert api("DELETE", f"/tokens/{mine[lost.token[-4:]]}").status_code == 204
    assert lost.get("/me").status_code == 401
    assert {p.get("/me").status_code for p in (api, stranger)} == {200}


def test_when_a_token_was_last_used_is_kept_to_the_minute(api, page):
    assert "never used" in page.get(TOKENS).content.decode()
    api.get("/me")
    used = Token.objects.get().last_used_at
    assert used is not None
    api.get("/me")
    assert Token.objects.get().last_used_at == used
    token_find(api.token, at=used + timedelta(minutes=1))
    assert Token.objects.get().last_used_at == used + timedelta(minutes=1)
    assert "last used" in page.get(TOKENS).content.decode()


def test_the_account_page_makes_a_token_and_shows_it_once(page, stranger):
    assert TOKENS in page.get("/agenda/account/").content.decode()
    answer = page.post(TOKENS, {"name": "phone", "scopes": ["read"], "days": "30"} | AGAIN)
    assert answer["Cache-Control"] == "private, no-store"
    found = re.search(r"ctlv_[0-9A-Za-z]{46}", answer.content.decode())
    assert found
    stranger.token = found[0]
    assert stranger.get("/me").json()["token"]["scopes"] == ["read"]
    again = page.get(TOKENS).content.decode()
    assert "phone" in again
    assert found[0] not in again


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "x" * 61}, "at most 60 characters"),
        ({"scopes": []}, "Choose at least one."),
        ({"scopes": ["admin"]}, "admin is not one of the available choices."),
        ({"days": "0"}, "Choose 1 to 365 days."),
        ({"days": "366"}, "Choose 1 to 365 days."),
        ({"days": "many"}, "Choose 1 to 365 days."),
        ({"days": ""}, "Choose 1 to 365 days."),
    ],
    ids=str,
)
def test_an_order_that_cannot_be_met_makes_no_token(page, given, sentence):
    answer = page.post(TOKENS, {"name": "x", "scopes": ["read"], "days": "1"} | given | AGAIN)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert not Token.objects.exists()


def test_a_program_reads_how_much_room_there_is(api, add, settings):
    settings.MOST_TASKS, settings.MOST_KIB, settings.MOST_TOKENS = 10, 1, 3
    add("é", notes="xyz")
    assert api.get("/me").json()["quota"] == {
        "tasks": {"used": 1, "most": 10},
        "bytes": {"used": 5, "most": 1024},
        "tokens": {"used": 1, "most": 3},
    }
    settings.MOST_TASKS = 1
    refused = api.post("/tasks", task())
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/title")


def test_as_many_tokens_as_the_site_allows_and_the_page_says_how_many(page, alice, settings):
    assert "0 of 20 tokens" in page.get(TOKENS).content.decode()
    settings.MOST_TOKENS = 5
    for number in range(5):
        token_for(alice, "read", name=f"n{number}")
    answer = page.post(TOKENS, {"name": "one more", "scopes": ["read"], "days": "1"} | AGAIN)
    assert answer.status_code == 422
    assert "5 of 5 tokens" in answer.content.decode()
    assert Token.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_of_forty_orders_at_once_as_many_are_met_as_there_is_room_for():
    alice = account_create(username="alice", password="a long enough password")
    for number in range(15):
        token_for(alice, "read", name=f"n{number}")
    together = threading.Barrier(40)

    def order(number):
        try:
            together.wait(timeout=30)
            with contextlib.suppress(ValidationError):
                token_for(alice, "read", name=f"at once {number}")
        finally:
            connection.close()

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(order, range(40)))
    assert Token.objects.count() == 20


def test_nobody_revokes_a_strangers_token(page, bob):
    token_for(bob)
    assert page.post(f"{TOKENS}{Token.objects.get().pk}/revoke/").status_code == 404
    assert Token.objects.exists()


def test_the_timer_erases_expired_tokens(alice):
    at = timezone.now()
    token_create(Order(name="old", scopes=["read"], days=1), owner_id=alice.pk, at=at)
    token_create(Order(name="new", scopes=["read"], days=3), owner_id=alice.pk, at=at)
    Token.objects.filter(name="old").update(expires_at=at)
    call_command("agenda_expire")
    assert [token.name for token in Token.objects.all()] == ["new"]


def test_tokens_are_refused_over_plain_http_unless_the_site_says_otherwise(api, stranger, settings):
    settings.API_PLAIN_HTTP = False
    answer = api.get("/tasks")
    assert (answer.status_code, answer.json()["type"]) == (403, "/api/v1/docs#problem-plain-http")
    assert stranger.get("/tasks").status_code == 401
    secure = api.client.get(
        "/api/v1/tasks", headers={"Authorization": f"Bearer {api.token}"}, secure=True
    )
    assert secure.status_code == 200


def test_plain_http_is_never_redirected_with_its_token(api, settings):
    settings.SECURE_SSL_REDIRECT, settings.API_PLAIN_HTTP = True, False
    assert api.get("/tasks").status_code == 403


def test_too_many_requests_wait_as_long_as_they_are_told(api, settings):
    settings.API_RATE = 3
    answers = [api.get("/me").status_code for _ in range(4)]
    assert answers == [200, 200, 200, 429]
    assert api.get("/me")["Retry-After"] == "20"
    assert Program(token_for(Token.objects.get().owner)).get("/me").status_code == 200


def test_the_probe_of_verify_gets_a_token_that_goes_with_it(stranger):
    out = StringIO()
    call_command("agenda_probe", "create", stdout=out)
    stranger.token = json.loads(out.getvalue())["token"]
    assert stranger.post("/tasks", task()).status_code == 201
    call_command("agenda_probe", "remove")
    assert stranger.get("/me").status_code == 401
    assert not Token.objects.exists()


def test_the_export_tells_of_tokens_and_holds_none(api, page):
    exported = json.loads(page.post("/agenda/account/export/", AGAIN).getvalue())
    assert [(token["name"], token["scopes"]) for token in exported["tokens"]] == [
        ("test", "read create write")
    ]
    assert "digest" not in exported["tokens"][0]
