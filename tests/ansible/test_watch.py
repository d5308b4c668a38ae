"""Alerts reach whoever they are for; the state of a host is judged once, where it is known."""

from __future__ import annotations

import http.server
import importlib.machinery
import importlib.util
import json
import os
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollout import status
from tests import certificates

ROOT = Path(__file__).parents[2]


def load(name):
    loader = importlib.machinery.SourceFileLoader(
        name.replace("-", "_"), str(ROOT / "ansible/roles/watch/files" / name)
    )
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


alert, state = load("ctlv-alert"), load("ctlv-state")


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True


@pytest.fixture
def serve():
    servers = []

    def start(handler):
        server = Server(("127.0.0.1", 0), handler)
        server.got = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class Webhook(http.server.BaseHTTPRequestHandler):
    answer = 204

    def do_POST(self):
        self.server.got.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.answer)
        self.end_headers()

    def log_message(self, *_):
        pass


class Refusing(Webhook):
    answer = 500


class Smtp(socketserver.StreamRequestHandler):
    """As much of SMTP as one message needs."""

    greeting, offers = b"220 stand-in\r\n", b"250 ok\r\n"

    def handle(self):
        self.wfile.write(self.greeting)
        text, in_data = [], False
        for line in self.rfile:
            if line.upper().startswith(b"EHLO"):
                self.wfile.write(self.offers)
                continue
            if line.upper().startswith(b"STARTTLS"):
                self.wfile.write(b"220 go on\r\n")
                self.request = self.server.tls.wrap_socket(self.request, server_side=True)
                self.setup()
                self.greeting = b""
                self.handle()
                return
            if in_data and line != b".\r\n":
                text.append(line)
                continue
            if in_data:
                in_data = False
                self.server.got.append(b"".join(text))
            in_data = line.upper().startswith(b"DATA")
            if line.upper().startswith(b"QUIT"):
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"354 go on\r\n" if in_data else b"250 ok\r\n")


class SmtpOverTls(Smtp):
    offers = b"250-ok\r\n250 STARTTLS\r\n"


@pytest.fixture
def tell(tmp_path, monkeypatch):
    def run(unit="ctlv-backup.service", **settings):
        known = {"webhook_url": "", "mail_to": [], "mail_from": "ctlv@test", "smtp_host": ""}
        (tmp_path / "alert.json").write_text(json.dumps(known | {"smtp_port": 25} | settings))
        monkeypatch.setattr(alert, "SETTINGS", tmp_path / "alert.json")
        monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
        monkeypatch.setattr("sys.argv", ["ctlv-alert", unit])
        return alert.main()

    return run


def test_a_webhook_hears_which_unit_failed_where(serve, tell):
    server = serve(Webhook)
    assert tell(webhook_url=f"http://127.0.0.1:{server.server_address[1]}/x") == 0
    (body,) = server.got
    assert json.loads(body)["unit"] == "ctlv-backup.service"
    assert json.loads(body)["host"]


def test_an_e_mail_hears_of_it_too(serve, tell):
    server = serve(Smtp)
    port = server.server_address[1]
    assert tell(mail_to=["op@test"], smtp_host="127.0.0.1", smtp_port=port) == 0
    (mail,) = server.got
    assert b"To: op@test" in mail
    assert b"ctlv-backup.service" in mail


@pytest.mark.parametrize(
    ("signer", "address"),
    [("known", "127.0.0.1"), ("known", "192.0.2.1"), ("unknown", "127.0.0.1")],
)
def test_an_e_mail_goes_over_tls_to_whom_it_is_for_alone(serve, tell, tmp_path, signer, address):
    """To nobody with a certificate for another name, or of an authority that nobody here knows."""
    known, server = tmp_path / "known", serve(SmtpOverTls)
    for folder in (known, tmp_path / "unknown"):
        certificates.authority(folder)
    pair = certificates.certify(tmp_path / signer, "mail", [address])
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(pair, pair.with_suffix(".key"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SSL_CERT_FILE", str(known / "ca.pem"))
        told = tell(mail_to=["op@test"], smtp_host="127.0.0.1", smtp_port=server.server_address[1])
    delivered = (signer, address) == ("known", "127.0.0.1")
    assert (told, len(server.got)) == ((0, 1) if delivered else (1, 0))


def test_a_job_that_fails_every_ten_seconds_is_one_message_an_hour(serve, tell, tmp_path):
    server = serve(Webhook)
    url = f"http://127.0.0.1:{server.server_address[1]}/x"
    assert [tell("agenda-expiry.service", webhook_url=url) for _ in range(3)] == [0, 0, 0]
    assert len(server.got) == 1
    assert tell("ctlv-backup.service", webhook_url=url) == 0
    assert len(server.got) == 2
    old = time.time() - alert.EVERY_S - 1
    os.utime(tmp_path / "agenda-expiry.service", (old, old))
    tell("agenda-expiry.service", webhook_url=url)
    assert len(server.got) == 3


def test_a_message_that_reached_nobody_is_tried_again_and_its_address_not_logged(
    serve, tell, capsys, tmp_path
):
    server = serve(Refusing)
    url = f"http://127.0.0.1:{server.server_address[1]}/secret-token"
    assert [tell(webhook_url=url) for _ in range(2)] == [1, 1]
    assert len(server.got) == 2
    assert "secret-token" not in "".join(capsys.readouterr())
    undelivered = tmp_path / alert.UNDELIVERED
    assert undelivered.read_text() == "by_webhook: HTTPError"
    tell(webhook_url=f"http://127.0.0.1:{serve(Webhook).server_address[1]}/x")
    assert not undelivered.exists()


@pytest.mark.parametrize(
    ("age_h", "mark"), [(35, "ok"), (37, "red")], ids=["younger than 36 h", "older"]
)
def test_a_host_is_red_after_36_hours_without_a_backup(tmp_path, monkeypatch, age_h, mark):
    monkeypatch.setattr(state, "BACKUPS", tmp_path)
    monkeypatch.setattr(state, "UNITS", tmp_path)
    (tmp_path / "ctlv-backup.timer").touch()
    made_at = datetime.fromtimestamp(time.time() - age_h * 3600, UTC)
    name = f"agenda-{made_at:%Y%m%dT%H%M%SZ}"
    for suffix in (".json", ".age"):
        (tmp_path / f"{name}{suffix}").touch()
    ((how, subject, text),) = state.backups()
    assert (how, subject) == (mark, "backup")
    assert f"{age_h} h ago" in text


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [(400, 3, "3 of 400 task rows"), (400, 200, ""), (19, 0, "")],
)
def test_a_backup_with_far_fewer_rows_than_the_one_before_is_red(
    tmp_path, monkeypatch, before, now, said
):
    monkeypatch.setattr(state, "BACKUPS", tmp_path)
    monkeypatch.setattr(state, "UNITS", tmp_path)
    (tmp_path / "ctlv-backup.timer").touch()
    for age_h, rows in ((30, before), (1, now)):
        at = datetime.now(UTC) - timedelta(hours=age_h)
        made = tmp_path / f"agenda-{at:%Y%m%dT%H%M%SZ}.json"
        made.write_text(json.dumps({"tables": {"task": {"rows": rows}}}))
        made.with_suffix(".age").touch()
    red = [text for mark, _, text in state.backups() if mark == "red"]
    assert red == ([f"the last has only {said}: was something lost?"] if said else [])


def test_safety_copies_are_no_backups_and_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "BACKUPS", tmp_path)
    monkeypatch.setattr(state, "UNITS", tmp_path)
    (tmp_path / "ctlv-backup.timer").touch()
    for kind, age_h in (("agenda", 37), ("agenda_before_restore", 1)):
        made_at = datetime.fromtimestamp(time.time() - age_h * 3600, UTC)
        for suffix in (".json", ".age"):
            (tmp_path / f"{kind}-{made_at:%Y%m%dT%H%M%SZ}{suffix}").touch()
    ((how, _, text),) = state.backups()
    assert how == "red"
    assert text == "last 37 h ago, 1 kept, made here; 1 safety copies"


def test_the_releases_that_a_rollback_may_go_back_to_are_named(tmp_path, monkeypatch):
    """`make rollback` says of a wrong RELEASE= that `make status` names them."""
    home = tmp_path / "agenda"
    for age, (name, marks) in enumerate(
        {
            "serves": (".complete", "GOOD_RELEASE"),
            "before": (".complete", "GOOD_RELEASE"),
            "bad": (".complete", "GOOD_RELEASE", "BAD_RELEASE"),
            "half": ("GOOD_RELEASE",),
            "unproved": (".complete",),
            "oldest": (".complete", "GOOD_RELEASE"),
        }.items()
    ):
        (home / "releases" / name).mkdir(parents=True)
        for mark in marks:
            (home / "releases" / name / mark).touch()
            os.utime(home / "releases" / name / mark, (1e9 - age, 1e9 - age))
    (home / "current").symlink_to(home / "releases/serves")
    monkeypatch.setattr(state, "AGENDA", home)
    monkeypatch.setattr(state, "run", lambda *_: subprocess.CompletedProcess([], 0, "active\n"))
    line = ("ok", "release", "serves (active); back to: before, oldest")
    assert list(state.release()) == [line]


def test_what_cannot_be_found_out_is_red_and_the_rest_is_told(monkeypatch):
    def breaks():
        raise OSError("gone")
        yield

    monkeypatch.setattr(state, "PARTS", (breaks, state.disk))
    lines = state.lines()
    assert lines[0] == ("red", "breaks", "cannot be found out: gone")
    assert lines[1][1] == "disk"


@pytest.mark.parametrize(
    ("seconds", "said"), [(40, "40 s"), (600, "10 min"), (3 * 3600, "3 h"), (5 * 86400, "5 days")]
)
def test_spans_are_said_in_their_own_unit(seconds, said):
    assert state.span(seconds) == said


class Unreachable:
    def run(self, host, *_words, **_options):
        raise status.OperatorError(f"{host} did not answer in 90 s", next_step="x")


def test_a_host_that_does_not_answer_is_one_red_line():
    assert status.of_host(Unreachable(), "web") == [("red", "reach", "web did not answer in 90 s")]


def test_the_last_copy_and_the_last_drill_are_told(tmp_path):
    at = datetime(2026, 11, 24, tzinfo=UTC)
    assert [subject for _, subject, _ in status.of_operator(tmp_path, at=at)] == ["copies", "drill"]
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups/agenda-20261120T000000Z.json").touch()
    (tmp_path / "backups/agenda_before_restore-20261121T000000Z.json").touch()
    told = {"at": "2026-11-20T00:00:00+00:00", "rows": 5, "rto_s": 6.2}
    (tmp_path / "backup-drill.json").write_text(json.dumps(told))
    copies, drill = status.of_operator(tmp_path, at=at)
    assert copies[2] == "1 backups fetched, the last agenda-20261120T000000Z"
    assert drill[2] == "a restore was tried 4 days ago: 5 rows in 6 s"


def test_what_the_watch_finds_is_told_without_failing_itself(monkeypatch, tmp_path, capsys):
    told = tmp_path / "told"
    program = tmp_path / "alert"
    program.write_text(f'#!/bin/sh\nprintf "%s|" "$@" > {told}\n')
    program.chmod(0o755)
    monkeypatch.setattr(state, "ALERT", str(program))
    monkeypatch.setattr(state, "PARTS", (lambda: iter([("red", "disk", "95 % used")]),))
    monkeypatch.setattr("sys.argv", ["ctlv-state", "watch"])
    assert state.main() == 0
    assert told.read_text() == "ctlv-watch.service|disk: 95 % used|"
    told.unlink()
    monkeypatch.setattr(state, "PARTS", ())
    assert state.main() == 0
    assert not told.exists()
    assert "all is well" in capsys.readouterr().out


def test_a_message_may_say_what_was_found(serve, tell, monkeypatch):
    server = serve(Webhook)
    url = f"http://127.0.0.1:{server.server_address[1]}/x"
    monkeypatch.setattr(alert, "told", lambda unit, text: {"unit": unit, "text": text})
    tell(webhook_url=url)
    monkeypatch.setattr("sys.argv", ["ctlv-alert", "other.service", "disk: 95 % used"])
    assert alert.main() == 0
    assert json.loads(server.got[-1])["text"] == "disk: 95 % used"


def test_emails_without_a_server_are_refused_when_they_are_set(tmp_path):
    """In check mode: where it is not refused, nothing of this machine is changed."""
    paths = f"roles_path = {ROOT}/ansible/roles\nlibrary = {ROOT}/ansible/library\n"
    (tmp_path / "ansible.cfg").write_text(f"[defaults]\n{paths}")
    (tmp_path / "play.yml").write_text(
        "- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n"
        "    - ansible.builtin.include_role: {name: watch, tasks_from: settings}\n"
        "      vars: {watch_alert_mail_to: [ann@example.org]}\n"
    )
    tool = Path(sys.executable).with_name("ansible-playbook")
    python = ("-e", f"ansible_python_interpreter={sys.executable}")
    ended = subprocess.run(
        [tool, "--check", "-i", "localhost,", *python, "play.yml"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 2
    assert "Next: set watch_alert_smtp_host" in ended.stdout + ended.stderr
