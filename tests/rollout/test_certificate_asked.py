"""Verify asks an address for the name in its certificate, and takes no other certificate."""

from __future__ import annotations

import http.server
import ssl
import threading

import pytest

from tests.certificates import authority, certify
from tests.infra.on_host import api_life, http_probe, journey
from tests.infra.site import name_in

NAME = "agenda.example.org"


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def served(tmp_path):
    """How it is asked: the certificate is for NAME, and our authority's, whom nobody names."""
    authority(tmp_path)
    certificate = certify(tmp_path, NAME)
    other = certify(tmp_path, "other", ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {
        "address": "127.0.0.1",
        "port": server.server_address[1],
        "host": NAME,
        "ca": certificate.read_text(),
        "name": NAME,
        "other": other.read_text(),
    }
    server.shutdown()


def probed(asked):
    return http_probe.ask({**asked, "path": "/"})["status"]


def lived(asked):
    try:
        return api_life.Client({**asked, "token": ""}).ask("GET", "/").status
    except ssl.SSLError:
        return 0


def journeyed(asked):
    try:
        return journey.Browser(asked).get("/").status
    except ssl.SSLError:
        return 0


each_program = pytest.mark.parametrize("ask", [probed, lived, journeyed])


@each_program
def test_the_certificate_that_was_named_is_taken(ask, served):
    assert name_in(served["ca"], "127.0.0.1") == NAME
    assert name_in(served["other"], "127.0.0.1") == "127.0.0.1"
    assert ask(served) == 200


@each_program
@pytest.mark.parametrize("wrong", ["name", "ca"])
def test_another_name_or_another_certificate_is_not(ask, wrong, served):
    changed = {"name": {"name": "www.example.org"}, "ca": {"ca": served["other"]}}[wrong]
    assert ask({**served, **changed}) == 0
