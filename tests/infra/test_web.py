"""What the web host answers, as asked from VLAN 2028."""

from __future__ import annotations

import re

import pytest


def ask(evidence, web, path, **changes):
    asked = {**evidence.site.server(web), "path": path, **changes}
    return evidence.requests(evidence.web_viewpoint(web), [asked])[0]


def test_the_agenda_asks_a_stranger_to_sign_in(web, evidence):
    for path in ("/agenda", "/agenda/"):
        answer = ask(evidence, web, path)
        assert answer["status"] in {302, 303}, answer
        assert answer["headers"]["location"].startswith("/agenda/sign-in")


def test_the_root_leads_to_the_agenda_and_keeps_the_port(web, evidence):
    answer = ask(evidence, web, "/")
    assert answer["status"] in {301, 302}
    assert answer["headers"]["location"] == "/agenda"


@pytest.mark.parametrize(
    "host_header", ["evil.example", "", "evil.example:80", "127.0.0.1.evil.example"]
)
def test_an_unknown_host_header_gets_400(host_header, web, evidence):
    assert ask(evidence, web, "/agenda", host=host_header)["status"] == 400


def test_a_forwarded_host_header_changes_nothing(web, evidence):
    headers = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    answer = ask(evidence, web, "/agenda", headers=headers)
    assert answer["headers"]["location"].startswith("/agenda/sign-in")
    assert "evil.example" not in answer["body"]


def test_it_is_alive_and_keeps_its_readiness_to_itself(web, evidence):
    assert ask(evidence, web, "/healthz")["status"] == 200
    assert ask(evidence, web, "/readyz")["status"] in {403, 404}
    assert ask(evidence, web, "/metrics")["status"] in {403, 404}


def test_it_is_ready(web, evidence):
    request = {"address": "127.0.0.1", "port": 80, "path": "/readyz"}
    asked = {**request, "host": web.addresses["campus"]}
    answer = evidence.requests(evidence.place(web), [asked])[0]
    assert (answer["status"], answer["body"]) == (200, answer["body"])


def test_pages_carry_their_security_headers(web, evidence):
    headers = ask(evidence, web, "/agenda/sign-in/")["headers"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] in {"same-origin", "no-referrer"}
    assert "unsafe" not in headers["content-security-policy"]


def test_what_is_compressed_holds_no_secret(web, evidence):
    """A page has a CSRF token beside what somebody else may have put there (BREACH)."""
    headers = {"Accept-Encoding": "gzip"}
    page = ask(evidence, web, "/agenda/sign-in/")
    style = re.findall(r'href="(/static/[^"]+\.css)"', page["body"])[0]
    told = [ask(evidence, web, path, headers=headers) for path in ("/agenda/sign-in/", style)]
    assert [answer["headers"].get("content-encoding", "") for answer in told] == ["", "gzip"]


def test_what_is_no_http_that_nginx_knows_is_a_problem_document(web, evidence):
    for changes in ({"headers": {"Transfer-Encoding": "x"}}, {"version": "HTTP/9.9"}):
        answer = ask(evidence, web, "/agenda", **changes)
        assert answer["headers"]["content-type"] == "application/problem+json", changes


def test_the_administration_is_closed_unless_the_inventory_opens_it(web, evidence):
    assert ask(evidence, web, "/admin/login/")["status"] in {403, 404} or web.admin_networks


def test_no_query_string_and_no_secret_path_reaches_a_log(web, evidence):
    for path in (
        f"/agenda?q={evidence.needle}",
        f"/agenda/first-admin/{evidence.needle}/",
        f"/agenda/nothing-here?token={evidence.needle}",
    ):
        ask(evidence, web, path)
    assert evidence.traces(web) == []
