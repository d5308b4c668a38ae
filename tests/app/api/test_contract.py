"""What every answer of the API keeps: problems, negotiation, methods, sizes, CORS, the schema."""

from __future__ import annotations

import json
import re
from datetime import UTC, timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from agenda.models import Task
from api.models import Token
from api.openapi import FRENCH, PROSE
from api.problems import KINDS
from api.services import privileges_missing
from tests.app.api.program import task

pytestmark = pytest.mark.django_db
JSON = "application/json"
AS_IN_ENGLISH = {"RFC 9457.", "bytes"}


def kind(answer):
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Cache-Control"] == "no-store"
    assert answer.json()["status"] == answer.status_code
    return answer.json()["type"].removeprefix("/api/v1/docs#problem-")


@pytest.mark.parametrize(
    "path", ["/nowhere", "/tasks/", "/tasks/1", "/tasks/%00", "/tasks/%ff%fe", "/tasks/../../admin"]
)
def test_an_unknown_address_is_a_problem_too(api, path):
    assert kind(api.get(path)) == "not-found"


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("", "en"),
        ("fr", "fr"),
        ("fr-CA,en;q=0.1", "fr"),
        ("en;q=0.1,fr;q=0.9", "fr"),
        ("de", "en"),
        ("de,fr;q=0.3", "fr"),
        ("fr;q=0", "en"),
        ("*", "en"),
        ("x" * 9000, "en"),
        ("\xff;q=z", "en"),
    ],
)
def test_a_problem_speaks_the_clients_language_throughout(api, language, expected):
    past = task(title="", deadline_at="2020-01-01T00:00:00Z")
    answer = api.post("/tasks", past, Accept_Language=language)
    assert answer["Content-Language"] == expected
    french, english = (
        "Des valeurs ne peuvent pas être acceptées.",
        "Some values cannot be accepted.",
    )
    assert answer.json()["title"] == (french if expected == "fr" else english)
    late = api.post(
        "/tasks", task(deadline_at="2020-01-01T00:00:00Z"), Accept_Language=language
    ).json()
    passed = {"fr": "Ce moment est passé", "en": "This moment has passed"}[expected]
    assert late["errors"][0]["detail"].startswith(passed)


@pytest.mark.parametrize("path", ["/tasks", "/me", "/tokens", "/health", "/ready"])
def test_who_takes_no_json_gets_406(api, path):
    for accept in ("text/html", "application/json;q=0", "image/*", "garbage"):
        assert kind(api.get(path, Accept=accept)) == "not-acceptable"
    for accept in ("*/*", "application/*", "text/html, application/json;q=0.1", ""):
        assert api.get(path, Accept=accept).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/xml",
        "nonsense",
    ],
)
def test_a_body_that_is_not_said_to_be_json_gets_415(api, content_type):
    answer = api.post("/tasks", task(), Content_Type=content_type)
    assert kind(answer) == "unsupported-media-type"
    assert JSON in answer["Accept"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe{\x00}\x00",
        b'{"title": "\xff"}',
        b'{"title": "a", "title": "b", "deadline_at": "2040-01-01T00:00:00Z"}',
        b'{"\\ud800": 1}',
        b'{"title": NaN}',
        b'{"title": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
        b"\x00",
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_that_is_no_json_gets_400(api, body):
    assert kind(api.post("/tasks", body)) == "bad-request"
    assert not Task.objects.exists()


def test_a_body_that_is_too_large_gets_413(api):
    assert kind(api.post("/tasks", b" " * (256 * 1024 + 1))) == "too-large"
    assert kind(api.post("/tasks", b" " * (10 * 1024 * 1024))) == "too-large"
    honest = task("\U0001f382" * 200, notes="\U0001f382" * 10_000)
    assert api.post("/tasks", honest).status_code == 201


@pytest.mark.parametrize("length", ["-1", "x", "9" * 5000, "1e3", "\xb2"])
def test_a_length_that_is_none_is_refused(api, length):
    answer = api.client.post("/api/v1/tasks", b"{}", JSON, CONTENT_LENGTH=length)
    assert answer.status_code in {400, 413}


def test_a_body_of_unknown_length_gets_411(api):
    answer = api.client.post(
        "/api/v1/tasks", b"", JSON, CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked"
    )
    assert kind(answer) == "length-required"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/tasks", "GET, HEAD, OPTIONS, POST"),
        ("/tasks/01a20dd3-d6b8-7dec-b142-c487e60e1119", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/dump", "GET, HEAD, OPTIONS"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
        ("/docs", "GET, HEAD, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
    ],
)
def test_methods_are_told_and_others_refused(api, path, allowed):
    told = api("OPTIONS", path)
    assert (told.status_code, told["Allow"], told.content) == (204, allowed, b"")
    for method in {"DELETE", "PUT", "PATCH", "TRACE", "FOO"} - set(allowed.split(", ")):
        answer = api(method, path)
        assert (kind(answer), answer["Allow"]) == ("method-not-allowed", allowed)


def test_head_is_get_without_a_body(api, add):
    for path in (f"/tasks/{add().pk}", "/tasks", "/openapi.json", "/docs", "/nowhere"):
        got, head = api.get(path), api("HEAD", path)
        assert head.content == b""
        assert (head.status_code, dict(head.items())) == (
            got.status_code,
            dict(got.items()) | {"Content-Length": str(len(got.content))},
        )
    dump = api("HEAD", "/dump")
    assert b"".join(dump.streaming_content) == b""


def test_cors_is_off_unless_an_origin_is_configured(api, settings):
    origin = "https://calendar.example.org"
    assert "Access-Control-Allow-Origin" not in api.get("/tasks", Origin=origin)
    settings.API_ORIGINS = [origin]
    answer = api.get("/tasks", Origin=origin)
    assert answer["Access-Control-Allow-Origin"] == origin
    assert "ETag" in answer["Access-Control-Expose-Headers"]
    assert "Origin" in answer["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer
    preflight = api("OPTIONS", "/tasks", Origin=origin, Access_Control_Request_Method="POST")
    assert preflight.status_code == 204
    assert "POST" in preflight["Access-Control-Allow-Methods"]
    assert "Idempotency-Key" in preflight["Access-Control-Allow-Headers"]
    other = api.get("/tasks", Origin="https://evil.example.org")
    assert "Access-Control-Allow-Origin" not in other
    assert "Origin" in other["Vary"]


def test_without_a_key_the_api_is_off_and_says_so(api, page, settings):
    settings.API_ENABLED = False
    for path in ("/tasks", "/docs", "/openapi.json", "/"):
        assert kind(api.get(path)) == "switched-off"
    assert "tokens" not in page.get("/agenda/account/").content.decode()


def test_a_strangers_host_gets_a_problem(api):
    assert kind(api.get("/tasks", Host="evil.example.org")) == "bad-request"


def test_a_database_that_is_away_is_503_and_told_in_the_log(api, monkeypatch, caplog):
    def away(*args, **kwargs):
        raise OperationalError(2002, "cannot connect")

    monkeypatch.setattr("api.auth.token_find", away)
    answer = api.get("/tasks")
    assert kind(answer) == "unavailable"
    assert int(answer["Retry-After"]) > 0
    assert "cannot connect" in caplog.text


def test_an_error_of_ours_is_a_problem_without_its_story(api, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("secret detail")

    monkeypatch.setattr("api.tasks._first_page", broken)
    answer = api.get("/tasks")
    assert kind(answer) == "internal"
    assert "secret" not in answer.content.decode()


def test_no_answer_sets_a_cookie_or_may_be_shared(api, add):
    for path in ("/tasks", f"/tasks/{add().pk}", "/dump", "/me", "/nowhere"):
        answer = api.get(path)
        assert not answer.cookies
        cached = answer["Cache-Control"]
        assert "private" in cached or "no-store" in cached
        assert {"Accept", "Authorization", "Accept-Language"} <= set(answer["Vary"].split(", "))


def test_the_contract_and_its_page_come_from_this_server(stranger):
    contract = stranger.get("/openapi.json").json()
    assert contract["openapi"] == "3.1.0"
    assert all(path.startswith("/api/v1/") for path in contract["paths"])
    page = stranger.get("/docs").content.decode()
    for name in KINDS:
        assert f'id="problem-{name}"' in page
    assert "//" not in page.replace("://testserver", "")
    files = re.findall(r'(?:src|href)="docs/([^"]+)"', page)
    assert len(files) == 6
    for name in files:
        answer = stranger.get(f"/docs/{name}")
        assert answer["Content-Type"] in {"text/css", "text/javascript", "image/svg+xml"}
        assert len(b"".join(answer.streaming_content)) == int(answer["Content-Length"])
    assert stranger.get("/docs/v1.py").status_code == 404
    ids = [o["operationId"] for ops in contract["paths"].values() for o in ops.values()]
    assert len(ids) == len(set(ids))


def split(contract):
    """The contract without the sentences and names for people, and those, in their order."""
    told = []

    def keep(node):
        told.extend(node[name] for name in PROSE if isinstance(node.get(name), str))
        return {
            name: one for name, one in node.items() if not isinstance(one, str) or name not in PROSE
        }

    return json.loads(contract.content, object_hook=keep), told


def test_a_reader_of_french_gets_every_sentence_of_the_contract_in_french(stranger):
    names, english = split(stranger.get("/openapi.json"))
    same_names, french = split(stranger.get("/openapi.json?language=fr"))
    assert names == same_names
    assert {
        one for one, other in zip(english, french, strict=True) if one == other
    } == AS_IN_ENGLISH
    assert not re.search(r" [?!;:»]|« |'", " ".join(french))
    assert FRENCH["contract"].keys() - set(english) == set(), "no longer in the contract"


@pytest.mark.parametrize(
    ("asked", "query", "word"),
    [("fr", "", "Retour à l’agenda"), ("en", "", "Back to"), ("fr", "?language=en", "Back to")],
)
def test_the_documentation_is_in_the_reader_s_language(stranger, asked, query, word):
    content = stranger.get(f"/docs{query}", Accept_Language=asked).content.decode()
    assert word in content
    assert ("Essayer" in content) == (word == "Retour à l’agenda"), "the viewer's own words"
    assert 'href="/agenda"' in content


def test_the_contract_names_every_status_an_operation_answers(api, add):
    contract = api.get("/openapi.json").json()["paths"]
    here = "/api/v1/tasks/{task_id}"
    assert {"200", "304", "401", "403", "404", "406", "410", "429"} <= set(
        contract[here]["get"]["responses"]
    )
    assert {"409", "413", "415", "422", "201"} <= set(
        contract["/api/v1/tasks"]["post"]["responses"]
    )
    assert {"412", "428"} <= set(contract[here]["patch"]["responses"])


def test_the_index_leads_everywhere(api):
    links = api.get("/").json()
    for name, link in links.items():
        assert api.get(link).status_code == 200, name


def test_health_needs_no_token_and_readiness_tells_what_is_missing(stranger, monkeypatch):
    assert stranger.get("/health").json() == {"status": "ok"}
    assert stranger.get("/ready").json() == {"database": "ok", "speech": "ok"}
    assert privileges_missing() == []

    def away():
        raise OperationalError(2002, "cannot connect to 198.18.112.157")

    monkeypatch.setattr(connection, "cursor", away)
    answer = stranger.get("/ready")
    assert (answer.status_code, kind(answer)) == (503, "unavailable")
    assert "198.18" not in answer.content.decode()


def test_instants_go_out_in_utc(api):
    given = (timezone.now() + timedelta(days=9)).replace(microsecond=123_000)
    made = api.post("/tasks", task(deadline_at=given.isoformat())).json()
    assert made["deadline_at"] == given.astimezone(UTC).isoformat().replace("+00:00", "Z")


def test_half_a_character_in_an_unknown_name_goes_back_readable(api, add):
    answer = api.patch(f"/tasks/{add().pk}", b'{"title": "\\ud800"}', If_Match="*")
    assert kind(answer) == "invalid"
    assert json.loads(answer.content)["errors"][0]["pointer"] == "/title"


def test_an_account_takes_its_tokens_along(api, alice):
    api.post("/tasks", task(), Idempotency_Key="k")
    alice.delete()
    assert not Token.objects.exists()
    assert api.get("/me").status_code == 401
