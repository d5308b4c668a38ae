"""TLS as the inventory sets it: off means none of it, internal and files mean all of it."""

from __future__ import annotations

import ssl

import pytest

WATCHED_DAYS = 21
SIGN_IN = "/agenda/sign-in/"


def ask(evidence, web, path, **changes):
    asked = {**evidence.site.server(web), "path": path, **changes}
    return evidence.requests(evidence.web_viewpoint(web), [asked])[0]


@pytest.fixture
def tls(site):
    return site.tls != "off"


def test_port_443_is_declared_exactly_when_it_serves(site, web, tls):
    assert (443 in web.declared("campus")) is tls


def test_it_answers_with_a_certificate_that_verifies_or_in_clear_as_set(web, evidence):
    answer = ask(evidence, web, SIGN_IN)
    assert answer["status"] == 200, answer


def test_http_leads_to_https_and_keeps_the_path(web, evidence, tls):
    answer = ask(evidence, web, SIGN_IN, port=80, ca="")
    if not tls:
        assert answer["status"] == 200
        return
    assert answer["status"] == 308
    assert answer["headers"]["location"] == f"https://{web.addresses['campus']}{SIGN_IN}"


def test_a_token_that_comes_in_clear_is_refused_and_not_led_on(serving, evidence, tls):
    clear = {"port": 80, "ca": "", "headers": {"Authorization": "Bearer ctlv_none"}}
    answer = ask(evidence, serving, "/api/v1/tasks", **clear)
    if tls:
        assert (answer["status"], "plain-http" in answer["body"]) == (403, True)
    else:
        assert answer["status"] in {401, 403}


def test_cookies_and_hsts_follow(web, evidence, tls):
    headers = ask(evidence, web, SIGN_IN)["headers"]
    assert ("secure" in headers["set-cookie"].lower()) is tls
    assert ("strict-transport-security" in headers) is tls


def test_old_versions_are_refused(web, evidence, tls):
    """Of a port in clear too: there is nothing to talk TLS with."""
    if tls:
        answer = ask(evidence, web, SIGN_IN, at_most=ssl.TLSVersion.TLSv1_1.name)
        assert answer["status"] == 0
        assert "version" in answer["error"].lower() or "protocol" in answer["error"].lower()
    else:
        assert ask(evidence, web, SIGN_IN, ca="system")["status"] == 0


def test_no_certificate_ends_soon(host, on):
    """That of our own authority is always there."""
    paths = on(host).check_output("ls /etc/ctlv/tls/*.pem 2>/dev/null || true").split()
    assert "/etc/ctlv/tls/host.pem" in paths
    for path in paths:
        seconds = WATCHED_DAYS * 86400
        assert on(host).run(f"openssl x509 -noout -checkend {seconds} -in {path}").rc == 0, path


def test_the_database_refuses_a_client_without_tls(web, evidence):
    assert evidence.logins(web)["without TLS"].startswith("ERROR ")


def test_the_agenda_refuses_a_database_that_others_signed(web, evidence):
    assert evidence.logins(web)["wrong authority"] == "ERROR 2026"
