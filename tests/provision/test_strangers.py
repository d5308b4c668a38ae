"""Wrong endpoints, as a stranger meets them: two lines and 1, soon, and never a secret."""

from __future__ import annotations

import datetime
import ssl
import time

import pytest

from provision import cli, proxmox, responses
from provision.credentials import Endpoint
from tests.provision.conftest import SECRET, Cluster, write_lab
from tests.provision.strangers import answering, listening, pve_certificates

VERSION = b'{"data":{"version":"9.2.11","release":"9.2"}}'


@pytest.fixture
def cluster(tmp_path, monkeypatch, capsys):
    """One whose server each test brings along."""
    made = Cluster(pve=None, state=tmp_path, capsys=capsys)
    monkeypatch.setenv("CTLV_LAB_STATE", str(tmp_path))
    monkeypatch.setattr(cli, "load", lambda *_, **__: made.inventory)
    return made


@pytest.fixture
def pki(tmp_path):
    return pve_certificates(tmp_path)


@pytest.fixture
def meet(cluster, tmp_path, pki):
    """Run a verb against a server that does `serve` with each connection; return its two lines."""

    def run(serve, *argv, tls=pki[1:], ca=pki[0], host="127.0.0.1"):
        began = time.monotonic()
        with listening(serve, *tls) as port:
            write_lab(tmp_path, port, str(ca), api_host=host)
            assert cluster.run(*(argv or ("plan",))) == 1
        assert time.monotonic() - began < 10
        assert SECRET not in cluster.out + cluster.err
        first, second = cluster.err.splitlines()
        assert first.startswith("provision: ")
        assert second.startswith("  Next: ")
        return first, second

    return run


# ---------------------------------------------------------------- certificates


def test_a_ca_that_names_no_key_usage_is_trusted_by_a_python_that_demands_one(
    cluster, tmp_path, pki, monkeypatch
):
    """Python 3.13 (Debian 13) does; no cluster older than March 2026 has it (proxmox#6701)."""
    context_of = proxmox.create_urllib3_context

    def strict(*args, **kwargs):
        context = context_of(*args, **kwargs)
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
        return context

    for module in ("urllib3.util.ssl_", "urllib3.connection", "provision.proxmox"):
        monkeypatch.setattr(f"{module}.create_urllib3_context", strict)
    with listening(answering(VERSION), *pki[1:]) as port:
        write_lab(tmp_path, port, str(pki[0]))
        assert cluster.run("doctor") == 1
    assert "its certificate is trusted" in cluster.out


def test_certificates_are_checked_nevertheless():
    endpoint = Endpoint(host="h", port=8006, ca_file=None, token_id="u@pve!t", token_secret="s")
    context = proxmox.Session(endpoint).pool.conn_kw["ssl_context"]

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_an_expired_certificate_is_said_as_such(meet, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    ca, *tls = pve_certificates(old, until=-datetime.timedelta(days=1))

    first, second = meet(answering(VERSION), tls=tls, ca=ca)

    assert "certificate has expired" in first
    assert "pvecm updatecerts --force" in second


def test_a_certificate_for_another_address_is_said_as_such(meet, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    ca, *tls = pve_certificates(other, address="192.0.2.1")

    first, second = meet(answering(VERSION), tls=tls, ca=ca)

    assert "IP address mismatch" in first
    assert "a name or address that the certificate holds" in second


def test_a_certificate_for_another_name_is_said_as_such(meet):
    first, second = meet(answering(VERSION), host="localhost")

    assert "Hostname mismatch" in first
    assert "a name or address that the certificate holds" in second


def test_a_server_without_tls_is_said_as_such(meet):
    first, second = meet(answering(b"", status="400 Bad Request"), tls=())

    assert "does not speak TLS as Proxmox does" in first
    assert "8006" in second


def test_a_ca_file_that_vanishes_is_no_traceback(meet, tmp_path):
    first, _ = meet(answering(VERSION), ca=tmp_path / "gone.pem")

    assert "gone.pem" in first


# ---------------------------------------------------------------- answers


JUNK = {
    "null": b'{"data":null}',
    "no data": b"{}",
    "a list": b"[]",
    "a number": b"7",
    "null alone": b"null",
    "a text": b'{"data":"hello"}',
    "a mapping": b'{"data":{"a":1}}',
    "wrong rows": b'{"data":[1,2]}',
    "null rows": b'{"data":[null]}',
    "wrong types": b'{"data":[{"type":"lxc","vmid":"x","node":[]}]}',
    "infinity": b'{"data":[{"type":"lxc","vmid":1e999,"node":"a"}]}',
    "no UTF-8": b'{"data":"\xff\xfe"}',
}


@pytest.mark.parametrize("body", JUNK.values(), ids=JUNK)
@pytest.mark.parametrize(
    "verb", [("plan",), ("adopt", "web", "--yes"), ("destroy", "web", "--yes")]
)
def test_an_answer_of_another_shape_is_no_traceback(meet, verb, body):
    first, _ = meet(answering(body), *verb)

    assert "does not answer as Proxmox does (GET cluster/resources): " in first


ERRORS = {
    "a proxy's page": (b"<html>Bad Gateway</html>", "502 Bad Gateway"),
    "a list": (b"[]", "502 Bad Gateway"),
    "a text": (b'"no"', "403 Forbidden"),
    "a list of errors": (b'{"errors":["x"]}', "400 Parameter verification failed."),
    "no reason": (b"", "500"),
    "a page of pages": (b"<html>" + b"\n<p>Nothing here</p>" * 9999, "503 Service Unavailable"),
    "a terminal's commands": (b'{"errors":{"a\\u001b[2J":"\\u001b]0;x\\u0007"}}', "400 \x1b[2JBad"),
    "a page of login": (b"<html>", "401 Authentication required"),
}


@pytest.mark.parametrize(("body", "status"), ERRORS.values(), ids=ERRORS)
def test_an_error_of_another_shape_is_no_traceback(meet, body, status):
    first, _ = meet(answering(body, status=status))

    assert first.isprintable()
    assert len(first) < 2000
    said = ("does not answer as Proxmox does", "does not accept the token", status[:3])
    assert any(words in first for words in said)


def test_a_redirect_takes_the_token_nowhere(meet, tmp_path):
    seen = []

    def elsewhere(connection):
        seen.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with listening(elsewhere) as port:
        meet(answering(b"", status=f"302 Found\r\nLocation: http://127.0.0.1:{port}/login"))

    assert not any(SECRET.encode() in request for request in seen)


# ---------------------------------------------------------------- time


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(proxmox, "REQUEST_TIMEOUT_S", 0.5)
    monkeypatch.setattr(proxmox, "ANSWER_TIMEOUT_S", 1.0)
    monkeypatch.setattr(proxmox, "MOST_ANSWER_BYTES", 2**20)


def test_a_server_that_says_nothing_is_given_up(meet, hasty):
    first, _ = meet(lambda connection: (connection.recv(65536), time.sleep(8)))

    assert "timed out" in first


@pytest.mark.parametrize(
    ("begun", "drop"),
    [
        pytest.param(b"Content-Length: 100000\r\n\r\n", b" ", id="its body"),
        pytest.param(b"", b"X: y\r\n", id="its headers"),
    ],
)
def test_a_server_that_drips_is_given_up(meet, hasty, begun, drop):
    """The limit of a request is one of silence: a byte now and then would hold us for ever."""

    def drip(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + begun)
        while True:
            connection.sendall(drop)
            time.sleep(0.2)

    first, _ = meet(drip)

    assert "timed out" in first


def test_a_server_that_sends_without_end_is_given_up(meet, hasty):
    def flood(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")

    first, _ = meet(flood)

    assert "answer of more than 1048576 bytes" in first


def test_half_an_answer_is_said(meet, hasty):
    def half(connection):
        connection.recv(65536)
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"data":[')

    first, _ = meet(half)

    assert "cannot be reached" in first


# ---------------------------------------------------------------- shapes


def test_every_path_that_is_read_has_a_shape():
    with pytest.raises(LookupError, match="no shape is known for the response to nodes/a/what"):
        responses.checked("nodes/a/what", {})


def test_nulls_are_what_is_missing():
    row = {"type": "lxc", "vmid": 100, "node": "pve1", "tags": None, "name": None}

    assert responses.checked("cluster/resources", [row]) == [
        {"type": "lxc", "vmid": 100, "node": "pve1"}
    ]


def test_a_long_wrong_value_is_shown_short_and_on_one_line():
    assert responses.shown("a\nb" * 100) == repr("a\nb" * 100)[:57] + "..."
