"""A REST server: the API and nothing else, at its own address and at the web hosts'."""

from __future__ import annotations

import json
import secrets

import pytest

from tests.infra.test_api import PROBLEM, ask

LOG = "/var/log/nginx/access.log"


def test_it_serves_no_page_of_the_agenda(rest, evidence):
    for path in ("/agenda", "/agenda/sign-in/", "/admin/", "/static/"):
        assert ask(evidence, rest, path)["status"] == 404, path


def test_it_keeps_its_readiness_to_itself(rest, evidence):
    assert ask(evidence, rest, "/readyz")["status"] in {403, 404}
    assert ask(evidence, rest, "/metrics")["status"] in {403, 404}


def test_what_a_web_host_is_asked_arrives_with_the_address_of_who_asked(web, site, evidence):
    """Short, so that the log keeps it; asked for once, so that it is this question."""
    path = f"/api/v1/{secrets.token_hex(4)}"
    assert ask(evidence, web, path)["status"] == 404
    lines = [
        line
        for rest in site.of("rest")
        for line in evidence.place(rest).run(["tail", "-n", "500", LOG]).stdout.splitlines()
        if path in line
    ]
    assert len(lines) == 1, "not handed on to a REST server"
    assert lines[0].split()[0] not in set(web.addresses.values()) or evidence.vantage is None


def test_what_a_web_host_hands_on_goes_to_a_server_of_our_own_authority_alone(
    web, rest, site, evidence, on
):
    """In clear and as another authority would have it, it is not answered; nginx asks likewise."""
    address, name = rest.addresses["private"], f"rest.{site.environment}.ctlv.internal"
    own = (site.state / "tls/ca.pem").read_text("utf-8")
    door = {"address": address, "port": 8443, "host": address, "path": "/api/v1/health"}
    asked = [{**door, "ca": ca, "name": name} for ca in (own, "system", "")]
    told = evidence.requests(evidence.place(web), [*asked, {**door, "ca": own, "name": "other"}])
    assert [answer["status"] for answer in told] == [200, 0, 400, 0]
    settings = on(web).check_output("nginx -T 2>/dev/null")
    wanted = ("verify on", "trusted_certificate /etc/ctlv/tls/ca.pem", f"name {name}")
    assert [line for line in wanted if f"proxy_ssl_{line};" not in settings] == []
    assert f"server {address}:8443;" in settings
    assert "proxy_pass https://api;" in settings


def test_what_a_stranger_says_about_himself_counts_for_nothing(rest, evidence):
    path = f"/api/v1/{secrets.token_hex(4)}"
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    assert ask(evidence, rest, path, headers=headers)["status"] == 404
    log = evidence.place(rest).run(["tail", "-n", "500", LOG]).stdout.splitlines()
    lines = [line for line in log if path in line]
    assert [line for line in lines if line.startswith("203.0.113.9")] == []
    assert lines


def test_it_knows_neither_the_schemas_account_nor_its_unit(rest, on):
    host = on(rest)
    assert not host.user("agenda-migrate").exists
    assert not host.file("/etc/systemd/system/agenda-migrate@.service").exists


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param({"method": "TRACE"}, 405, id="a method that nginx refuses"),
        pytest.param({"path": "/api/v1/" + "x" * 9000}, 414, id="an address too long"),
        pytest.param({"headers": {"X-Long": "x" * 40_000}}, 431, id="headers too large"),
        pytest.param({"host": "evil.example"}, 400, id="a name that is not ours"),
        pytest.param({"headers": {"Transfer-Encoding": "x"}}, 501, id="a transfer coding"),
        pytest.param({"version": "HTTP/9.9"}, 400, id="a version of HTTP that is none"),
    ],
)
def test_what_nginx_refuses_by_itself_is_a_problem_too(changes, status, rest, evidence):
    answer = ask(evidence, rest, **{"path": "/api/v1/health", **changes})
    assert (answer["status"], answer["headers"]["content-type"]) == (status, PROBLEM)
    assert json.loads(answer["body"])["status"] == status
    assert ("allow" in answer["headers"]) is (status == 405)
