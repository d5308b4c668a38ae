"""Every address, as its patterns say, with everything a stranger might send it: never a 500, never
somebody else's data, never a change without our own form. New addresses are walked without a word.
"""

from __future__ import annotations

from datetime import timedelta
from html.parser import HTMLParser

import pytest
from django.test import Client
from django.utils import timezone

from accounts.services import account_create
from agenda.models import Task
from api.models import Token
from tests.app.addresses import Address, addresses

OURS = addresses()
ADMINS = addresses(is_admin=True)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
# The reason beside each answer that is no plain 2xx, 3xx or 4xx.
ALLOWED_5XX = {503: "speech is switched off or readyz is asked: both say so"}
NASTY = {
    "nul": "a\x00b",
    "empty": "",
    "long": "é" * 20_000,
    "number": "-1",
    "huge number": "9" * 400,
    "year 1": "0001-01-01T00:00",
    "last minute": "9999-12-31T23:59",
    "no date": "2026-13-45T99:99",
    "far zone": "9999-12-31T23:59:59-23:59",
    "braces": "{{ 7*7 }}{% debug %}",
    "quotes": "'\"><script>alert(1)</script>",
    "right to left": "\u202eabc\u2066",
    "emoji": "🎉" * 300,
    "surrogate": "\\ud800",
}
IDENTITIES = {"UUIDConverter", "UUIDStrConverter"}
STRANGE_PARTS = {
    "UUIDStrConverter": ["00000000-0000-0000-0000-000000000000", "x", "%00"],
    "UUIDConverter": ["00000000-0000-0000-0000-000000000000", "x", "%00"],
    "IntConverter": ["0", "9999", "99999999999999999999", "-1", "٣"],
    "StringConverter": ["%00", "é" * 90, "..%2f..%2fetc", "a" * 3000],
    "PathConverter": ["%00", "../../etc/passwd", "a/" * 500],
    "SlugConverter": ["x", "%00"],
}


def by_route(known: list[Address]) -> list:
    return [
        pytest.param(address, id=f"{number}-{address.route}")
        for number, address in enumerate(known)
    ]


def strange_paths(address: Address) -> list[str]:
    """The address with each of its parts strange, the others well-formed."""
    paths = [address.path()]
    for part, converter in address.converters.items():
        paths += [address.path(**{part: value}) for value in STRANGE_PARTS.get(converter, ["%00"])]
    return paths


def is_right(answer) -> bool:
    return answer.status_code < 500 or answer.status_code in ALLOWED_5XX


@pytest.fixture
def field_names():
    """Every name any of our forms asks for."""
    from django.forms import Form, ModelForm  # noqa: PLC0415 - Django is set up by then

    def below(form):
        for child in form.__subclasses__():
            yield child
            yield from below(child)

    forms = {form for base in (Form, ModelForm) for form in below(base)}
    return {name for form in forms for name in form.base_fields} | {
        *("line", "q", "seen", "voice", "language", "next", "kept-title", "open", "close")
    }


@pytest.fixture
def walker(alice):
    """Alice's browser that gets an answer where a test would get the exception."""
    browser = Client(raise_request_exception=False)

    def signed_in() -> Client:
        if "sessionid" not in browser.cookies or not browser.cookies["sessionid"].value:
            browser.force_login(alice)
        return browser

    return signed_in


@pytest.fixture
def administrator(db):
    browser = Client(raise_request_exception=False)
    browser.force_login(
        account_create(
            **{"username": "root", "password": "long enough it is", "factor_sealed": "set up"},
            **{"is_staff": True, "is_superuser": True},
        )
    )
    return browser


@pytest.mark.parametrize("address", by_route(OURS))
def test_no_method_and_no_strange_address_is_a_500(walker, add, address):
    add()
    asked = [(method, address.path()) for method in METHODS]
    asked += [(method, path) for path in strange_paths(address) for method in ("GET", "POST")]
    answers = [(method, path, walker().generic(method, path)) for method, path in asked]
    wrong = [(method, path[:80]) for method, path, answer in answers if not is_right(answer)]
    assert wrong == []


@pytest.mark.parametrize(
    "address", by_route([one for one in OURS if one.route.startswith("agenda")])
)
def test_what_can_be_read_can_be_asked_about(walker, add, address):
    """HEAD answers as GET does, without the words: RFC 9110 wants both everywhere."""
    path = address.path(task_id=str(add().pk), step="1")
    read, asked = (walker().generic(method, path) for method in ("GET", "HEAD"))
    assert asked.status_code == read.status_code
    assert asked.content == b""


@pytest.mark.parametrize("address", by_route(OURS))
def test_no_words_in_a_form_or_query_are_a_500(walker, add, field_names, address):
    path = address.path(task_id=str(add().pk))
    wrong = []
    for kind, value in NASTY.items():
        short = value[:500]
        answers = [
            walker().get(path, dict.fromkeys(("q", "next", "cursor", "page", "limit"), short)),
            walker().post(path, dict.fromkeys(field_names, value)),
        ]
        wrong += [(kind, answer.status_code) for answer in answers if not is_right(answer)]
    assert wrong == []


BODIES = {
    "json": ("application/json", b'{"title": [1, {}], "deadline_at": null}'),
    "cut json": ("application/json", b'{"title": "'),
    "deep json": ("application/json", b"[" * 100_000),
    "no utf-8": ("application/x-www-form-urlencoded", b"title=%ff%fe&line=\xff\xfe"),
    "wrong multipart": ("multipart/form-data; boundary=x", b"--y\r\nnothing"),
    "no boundary": ("multipart/form-data", b"--x\r\n"),
    "unknown charset": ("application/x-www-form-urlencoded; charset=klingon", b"title=a"),
    "no type": ("", b"\x00\x01\x02"),
    "many fields": ("application/x-www-form-urlencoded", b"a=1&" * 5000),
}


@pytest.mark.parametrize("address", by_route(OURS))
def test_no_body_is_a_500(walker, add, address):
    task = add()
    wrong = []
    for name, (kind, body) in BODIES.items():
        path = address.path(task_id=str(task.pk))
        answer = walker().generic("POST", path, body, content_type=kind)
        if not is_right(answer):
            wrong.append((name, answer.status_code))
    assert wrong == []


@pytest.mark.parametrize("address", by_route(OURS))
def test_ten_megabytes_are_refused(walker, address):
    body = b"title=" + b"a" * 10_000_000
    kind = "application/x-www-form-urlencoded"
    answer = walker().generic("POST", address.path(), body, content_type=kind)
    assert 400 <= answer.status_code < 500 or is_reading_only(answer), answer.status_code


def is_reading_only(answer) -> bool:
    """An address that reads no form may answer as to any other request."""
    return answer.status_code in {200, 302} and not Task.objects.exists()


@pytest.mark.parametrize("address", by_route(ADMINS))
def test_the_administration_has_no_500(administrator, address):
    wrong = []
    for path in strange_paths(address):
        for answer in (
            administrator.get(path, {"q": "a\x00b", "p": "-1", "o": "x", "e": "é"}),
            administrator.post(path, {"username": "a\x00b", "action": "x", "_save": "1"}),
        ):
            if answer.status_code >= 500:
                wrong.append((path[:80], answer.status_code))
    assert wrong == []


@pytest.mark.parametrize(
    "address", by_route([one for one in OURS if IDENTITIES & {*one.converters.values()}])
)
def test_what_is_somebody_elses_does_not_exist(page, bob, address):
    """Each id in turn is that of a task, then of a token, of bob's."""
    at = timezone.now()
    task = Task.objects.create(
        owner=bob, title="bob's", deadline_at=at + timedelta(hours=1), created_at=at
    )
    token = Token.objects.create(
        owner=bob, name="bob's", created_at=at, expires_at=at + timedelta(1)
    )
    before = list(Task.objects.values()), list(Token.objects.values())
    for identity in (str(task.pk), str(token.pk)):
        path = address.path(**dict.fromkeys(address.converters, identity))
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            answer = page.generic(method, path)
            assert answer.status_code in {401, 404, 405}, (method, path)
            assert b"bob" not in b"".join(answer)
    assert (list(Task.objects.values()), list(Token.objects.values())) == before


@pytest.mark.parametrize("address", by_route(OURS))
def test_nothing_is_changed_by_a_strangers_form(alice, add, field_names, address):
    """CSRF: signed in, but without our own form's token."""
    task = add()
    before = list(Task.objects.values())
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    given = dict.fromkeys(field_names, "x") | {"title": "theirs", "voice": "google"}
    path = address.path(task_id=str(task.pk))
    answer = browser.post(path, given, headers={"Origin": "https://evil.example"})
    assert answer.status_code in {401, 403, 404, 405, 415}, path
    assert list(Task.objects.values()) == before
    alice.refresh_from_db()
    assert (alice.voice, alice.calendar_sha256, Token.objects.count()) == ("", None, 0)


HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Inline(HTMLParser):
    """Scripts and styles that stand in a page itself, which its policy would refuse."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        names = {name for name, _ in attrs}
        is_data = ("type", "application/json") in attrs
        if tag == "style" or (tag == "script" and "src" not in names and not is_data):
            self.found.append(tag)
        self.found += [f"{tag} {n}" for n in names if n == "style" or n.startswith("on")]
        self.found += [f"{tag} {value}" for _, value in attrs if (value or "").startswith("javas")]


def faults_of(answer) -> list[str]:
    found = [f"{n}: {answer.get(n)}" for n, value in HEADERS.items() if answer.get(n) != value]
    policy = answer.get("Content-Security-Policy", "")
    if "default-src 'none'" not in policy or "unsafe" in policy:
        found.append(f"Content-Security-Policy: {policy}")
    if answer.get("Referrer-Policy") not in {"same-origin", "no-referrer"}:
        found.append(f"Referrer-Policy: {answer.get('Referrer-Policy')}")
    if not any(word in answer.get("Cache-Control", "") for word in ("no-store", "no-cache", "max")):
        found.append("no Cache-Control")
    if "html" in answer.get("Content-Type", ""):
        content = answer.content.decode()
        found += Inline(content).found
        # The browser would hide the form's origin, and the form would be refused as a stranger's.
        if "<form" in content and answer.get("Referrer-Policy") == "no-referrer":
            found.append("a form under Referrer-Policy: no-referrer")
    return found


@pytest.mark.parametrize("address", by_route(OURS))
def test_every_answer_is_safe_for_a_browser(walker, client, add, settings, address):
    settings.MAIL_ENABLED = True
    settings.AGENDA_GRACE = 3600
    path = address.path(task_id=str(add(title="<b onclick=x style=y>").pk))
    for browser in (client, walker()):
        for answer in (browser.get(path), browser.post(path), browser.put(path)):
            assert faults_of(answer) == [], (path, answer.status_code)


@pytest.mark.parametrize("address", by_route(OURS))
def test_a_forged_forwarded_address_changes_nothing(walker, add, address):
    """Over TCP the header is a stranger's word: every answer is the same without it."""
    path = address.path(task_id=str(add().pk))
    claim = "10.20.28.1, 127.0.0.1"
    forged = dict.fromkeys(("X-Forwarded-For", "X-Real-IP", "Forwarded", "Client-IP"), claim)
    forged |= {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    plain = walker().get(path)
    answer = walker().get(path, headers=forged)
    assert answer.status_code == plain.status_code
    assert answer.get("Location") == plain.get("Location")
    assert b"evil.example" not in b"".join(answer)
