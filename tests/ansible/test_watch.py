"""Alerts reach whoever they are for; the state of a host is judged once, where it is known."""

from __future__ import annotations

import http.server
import json
import os
import re
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rollout import status
from tests import certificates
from tests.programs import load_program

ROOT = Path(__file__).parents[2]


watch, state = (load_program("watch", name) for name in ("ctlv-watch", "ctlv-state"))


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True


@pytest.fixture
def serve():
    servers = []

    def start(handler, at=("127.0.0.1", 0)):
        server = Server(at, handler)
        server.got = []
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
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


class Pinged(Webhook):
    def do_GET(self):
        self.server.got.append(self.path)
        self.send_response(200)
        self.end_headers()


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


WEB, REST, DATABASE = "web", "rest", "database"
EVERY_S, WITHIN_S = 20, 60


class Answer(socketserver.BaseRequestHandler):
    """What ctlv-answer.socket does."""

    def handle(self):
        host = self.server.host
        self.request.sendall(
            host.state_file.read_bytes() if host.lives and host.state_file.exists() else b""
        )


class Host:
    """One container with the programs as they are; systemd, disk and certificates are said."""

    def __init__(self, site, name, units):
        self.site, self.folder = site, site.folder / name
        self.folder.mkdir()
        self.enabled, self.units, self.failed = units, dict.fromkeys(units, "active"), set()
        self.readyz, self.used, self.files_used, self.days = b"", 0.5, 0.5, 300
        self.lives, self.watches, self.apart_s = True, True, 0
        self.state_file = self.folder / "watch.json"
        self.state = load_program("watch", "ctlv-state")
        for constant in ("BACKUPS", "BACKUPS_TOLD", "UNITS", "STATE", "STREAM"):
            setattr(self.state, constant, self.folder / constant)
        self.state.AGENDA = self.folder / "agenda"
        self.state.MAINTENANCE = self.folder / "maintenance"
        self.state.SETTINGS = self.folder / "settings.json"
        self.state.run, self.state.os, self.state.time = self.run, self, self
        self.state.agenda = self.agenda
        self.watch = load_program("watch", "ctlv-watch")
        self.watch.SETTINGS = self.folder / "settings.json"
        self.watch.SECRET_SETTINGS = self.folder / "secret.json"
        self.watch.UNFINISHED = self.folder / "unfinished"
        self.watch.CAUSES = ROOT / "ansible/roles/watch/files/causes.json"
        self.watch.look, self.watch.time, self.watch.os = self.state.lines, self, self

    def serve_release(self, name):
        (self.folder / "agenda/releases" / name).mkdir(parents=True)
        (self.folder / "agenda/current").symlink_to(self.folder / "agenda/releases" / name)
        self.units[f"agenda@{name}.service"] = "active"

    # It stands in the place of `time` and `os`.
    gmtime, strftime = staticmethod(time.gmtime), staticmethod(time.strftime)
    R_OK, X_OK = os.R_OK, os.X_OK

    @property
    def environ(self):
        return dict.fromkeys(("STATE_DIRECTORY", "RUNTIME_DIRECTORY"), str(self.folder))

    def shown(self):
        """What a Prometheus reads."""
        text = (self.folder / "causes.prom").read_text()
        metrics = {metric.name: metric.samples for metric in text_string_to_metric_families(text)}
        said = json.loads(self.state_file.read_text())
        assert metrics["ctlv_watch_at_seconds"][0].value == said["at"]
        found = [sample.labels for sample in metrics.get("ctlv_cause", [])]
        assert all(labels["cause"] == labels["subject"].split()[0] for labels in found)
        return [labels["subject"] for labels in found]

    def time(self):
        return self.site.now + self.apart_s

    def sleep(self, seconds):
        self.site.now += seconds

    def access(self, *_):
        return False

    def geteuid(self):
        return 1000

    def statvfs(self, _):
        if self.used is None:
            raise OSError("gone")
        free, left = 1000 * (1 - self.used), 1000 * (1 - self.files_used)
        return os.statvfs_result((4096, 4096, 1000, free, free, 1000, left, left, 0, 255))

    def agenda(self):
        if self.readyz:
            yield "red", "agenda", f"is not ready: {self.state.unready(self.readyz)}"

    def run(self, *command, **_):
        end = f"{datetime.now(UTC) + timedelta(days=self.days):%b %d %H:%M:%S %Y} GMT"
        said = {
            "--failed": "".join(f"{name} loaded failed failed x\n" for name in self.failed),
            "is-active": "active" if self.units.get(command[-1]) == "active" else "inactive",
            "x509": f"notAfter={end}" if self.days else "",
            "show": "\n\n".join(
                f"Id={name}\nActiveState={self.units.get(name, 'inactive')}\n"
                f"UnitFileState={'enabled' if name in self.enabled else ''}"
                for name in command[3:]
            ),
        }[command[1]]
        return subprocess.CompletedProcess(command, 0, said, "")


class Site:
    """Three containers, as ctlv-watch.timer runs them, and an operator who listens."""

    def __init__(self, folder, serve):
        self.now, self.folder, self.server = time.time(), folder, serve(Webhook)
        common = {"nftables.service", "ssh.service", "ctlv-watch.timer"}
        serving = {*common, "nginx.service", "agenda-expiry.timer"}
        of = {
            WEB: {*serving, "tinyproxy.service", "ctlv-voice.service", "ctlv-backup-take.timer"},
            REST: serving,
            DATABASE: {*common, "mariadb.service", "ctlv-backup.timer"},
        }
        self.hosts = {name: Host(self, name, units) for name, units in of.items()}
        self.addresses, self.port = {}, 0
        for number, (name, host) in enumerate(self.hosts.items(), start=2):
            server = serve(Answer, (f"127.0.0.{number}", self.port))
            server.host, self.port = host, server.server_address[1]
            self.addresses[name] = server.server_address[0]
        for name in self.hosts:
            self.set(name)
        for host in (self.hosts[WEB], self.hosts[REST]):
            host.serve_release("good")
        self.look()
        assert self.told() == []

    def set(self, name, **settings):
        host, tells = self.hosts[name], name != DATABASE
        others = {other: at for other, at in self.addresses.items() if other != name and tells}
        told = {"host": name, "port": self.port, "tellers": [WEB, REST], "others": others}
        told |= {"certificates": ["/etc/host.pem"], "told": []}
        host.state.SETTINGS.write_text(json.dumps(told))
        known = {"webhook_url": url(self.server) if tells else "", **NO_WAY} | settings
        host.watch.SECRET_SETTINGS.write_text(json.dumps(known))

    def look(self):
        """Every host once, in the order in which it takes longest until the last is told of."""
        begun = self.now
        for host in self.hosts.values():
            if host.lives and host.watches:
                assert host.watch.main() == 0
        self.now = max(self.now, begun + EVERY_S)

    def look_for(self, seconds):
        """How long it took until something was told; None when nothing was."""
        begun, heard = self.now, len(self.server.got)
        while self.now - begun < seconds and len(self.server.got) == heard:
            self.look()
        return None if len(self.server.got) == heard else self.now - begun

    def look_long(self):
        """An hour, of which the first and the last minutes are looked at."""
        for _ in range(2):
            for _ in range(6):
                self.look()
            self.now += 3600

    def told(self):
        found = [json.loads(body) for body in self.server.got]
        return [(m["host"], m["cause"], m["state"], m["told_by"]) for m in found]


def url(server):
    return f"http://127.0.0.1:{server.server_address[1]}/secret-token"


NO_WAY = {"mail_to": [], "mail_from": "ctlv@test", "smtp_host": "", "smtp_port": 25}
NO_WAY |= {"heartbeat_url": "", "heartbeat_mail_hours": 0}


@pytest.fixture
def site(tmp_path, serve):
    return Site(tmp_path, serve)


def unit(name, how):
    return lambda host: host.units.update({name: how})


def fails(name):
    return lambda host: host.failed.add(name), lambda host: host.failed.discard(name)


def becomes(**values):
    return lambda host: [setattr(host, name, value) for name, value in values.items()]


def maintained(host):
    host.state.MAINTENANCE.touch()
    long_ago = host.time() - 3 * 3600
    os.utime(host.state.MAINTENANCE, (long_ago, long_ago))


def stops(name):
    return unit(name, "inactive"), unit(name, "active")


def streams(host, *, ago_s):
    host.state.UNITS.mkdir(exist_ok=True)
    (host.state.UNITS / "ctlv-stream.service").touch()
    host.state.STREAM.touch()
    # Ahead of all that the test lets pass.
    os.utime(host.state.STREAM, (host.time() - ago_s,) * 2)


streamed = partial(streams, ago_s=61), partial(streams, ago_s=-365 * 86400)


# Where, what is told, by whom (the first that can), how it begins, how it ends.
TWENTY = [
    (WEB, "stopped nginx.service", WEB, *stops("nginx.service")),
    (DATABASE, "stopped mariadb.service", WEB, *stops("mariadb.service")),
    (WEB, "stopped tinyproxy.service", WEB, *stops("tinyproxy.service")),
    (DATABASE, "stopped nftables.service", WEB, *stops("nftables.service")),
    (REST, "stopped ssh.service", REST, *stops("ssh.service")),
    (REST, "stopped agenda-expiry.timer", REST, *stops("agenda-expiry.timer")),
    (DATABASE, "stopped ctlv-backup.timer", WEB, *stops("ctlv-backup.timer")),
    (WEB, "stopped ctlv-backup-take.timer", WEB, *stops("ctlv-backup-take.timer")),
    (WEB, "stream", WEB, *streamed),
    (WEB, "failed agenda-expiry.service", WEB, *fails("agenda-expiry.service")),
    (DATABASE, "failed ctlv-backup.service", WEB, *fails("ctlv-backup.service")),
    (WEB, "failed ctlv-backup-take.service", WEB, *fails("ctlv-backup-take.service")),
    (DATABASE, "failed apt-daily-upgrade.service", WEB, *fails("apt-daily-upgrade.service")),
    (WEB, "release", WEB, *stops("agenda@good.service")),
    (REST, "agenda", REST, becomes(readyz=b'{"database": "gone"}'), becomes(readyz=b"")),
    (DATABASE, "disk", WEB, becomes(used=0.95), becomes(used=0.5)),
    (WEB, "inodes", WEB, becomes(files_used=0.95), becomes(files_used=0.5)),
    (DATABASE, "certificate host.pem", WEB, becomes(days=20), becomes(days=300)),
    (REST, "certificate host.pem", REST, becomes(days=0), becomes(days=300)),
    (WEB, "maintenance", WEB, maintained, lambda host: host.state.MAINTENANCE.unlink()),
    (DATABASE, "silent database", WEB, becomes(lives=False), becomes(lives=True)),
    (WEB, "silent web", REST, becomes(lives=False), becomes(lives=True)),
    (REST, "silent rest", WEB, becomes(watches=False), becomes(watches=True)),
    (DATABASE, "clock database", WEB, becomes(apart_s=120), becomes(apart_s=0)),
    (REST, "check disk", REST, becomes(used=None), becomes(used=0.5)),
]


@pytest.mark.parametrize(
    ("where", "cause", "by", "begin", "end"),
    TWENTY,
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_cause_is_told_once_and_once_more_when_it_is_over(  # noqa: PLR0913, PLR0917 - the table's
    site, where, cause, by, begin, end
):
    begin(site.hosts[where])
    took_s = site.look_for(300)
    site.look_long()
    host = by if cause.split()[0] in watch.SEEN_BY_THE_WATCH else where
    assert site.told() == [(host, cause, "begun", by)]
    assert took_s <= WITHIN_S
    assert site.hosts[host].shown() == [cause]
    end(site.hosts[where])
    took_s = site.look_for(300)
    site.look_long()
    assert site.told() == [(host, cause, "begun", by), (host, cause, "over", by)]
    assert took_s <= WITHIN_S
    assert site.hosts[host].shown() == []


def test_each_cause_stands_in_the_list_with_what_to_do_about_it():
    known = json.loads((ROOT / "ansible/roles/watch/files/causes.json").read_text())
    source = (ROOT / "ansible/roles/watch/files/ctlv-state").read_text()
    red = re.findall(r'(?:"red"|mark\(.*\)|how), f?"(\w+)', source)
    assert {*red, "certificate", *watch.SEEN_BY_THE_WATCH} == known.keys()


def test_a_unit_of_any_name_is_shown_as_it_is(site):
    name = 'dev-disk-by\\x2dlabel-"a".device'
    site.hosts[WEB].failed = {name}
    site.look_for(300)
    assert site.hosts[WEB].shown() == [f"failed {name}"]
    assert (site.hosts[WEB].folder / "causes.prom").stat().st_mode & 0o777 == 0o644


def test_one_cause_does_not_hide_another(site):
    web = site.hosts[WEB]
    web.used = 0.95
    site.look_for(300)
    unit("nginx.service", "inactive")(web)
    assert site.look_for(300) <= WITHIN_S
    assert [cause for _, cause, *_ in site.told()] == ["disk", "stopped nginx.service"]


def test_a_service_that_is_restarted_is_not_told(site):
    web = site.hosts[WEB]
    unit("nginx.service", "inactive")(web)
    web.sleep = lambda _: unit("nginx.service", "active")(web)
    assert site.look_for(300) is None


def test_what_a_deployment_breaks_is_told_when_it_outlasts_it_or_half_an_hour(site):
    web = site.hosts[WEB]
    web.watch.UNFINISHED.touch()
    os.utime(web.watch.UNFINISHED, (site.now, site.now))
    unit("nginx.service", "inactive")(web)
    assert site.look_for(900) is None
    assert 1800 - 900 <= site.look_for(1800) <= 1800 - 900 + WITHIN_S
    unit("nginx.service", "active")(web)
    site.look_for(300)
    web.used = 0.95
    os.utime(web.watch.UNFINISHED, (site.now, site.now))
    assert site.look_for(300) is None
    web.watch.UNFINISHED.unlink()
    assert site.look_for(300) <= WITHIN_S


def test_a_job_that_fails_every_ten_seconds_is_told_once_while_it_runs_in_between(site):
    web = site.hosts[WEB]
    name = "agenda-expiry.service"
    for _ in range(5):
        web.failed = {name}
        site.look()
        web.failed = set()
        unit(name, "activating")(web)
        site.look()
    assert [how for *_, how, _ in site.told()] == ["begun"]
    unit(name, "inactive")(web)
    site.look_for(300)
    assert [how for *_, how, _ in site.told()] == ["begun", "over"]


def test_whoever_takes_over_tells_what_is_over_and_nothing_twice(site):
    web, database = site.hosts[WEB], site.hosts[DATABASE]
    database.used = 0.95
    site.look_for(300)
    site.look()
    web.lives = False
    site.look_for(300)
    database.used = 0.5
    site.look_for(300)
    assert site.told() == [
        (DATABASE, "disk", "begun", WEB),
        (REST, "silent web", "begun", REST),
        (DATABASE, "disk", "over", REST),
    ]
    web.lives = True
    site.look_for(300)
    site.look_long()
    assert site.told()[3:] == [(REST, "silent web", "over", REST)]


def test_whose_messages_do_not_arrive_is_told_of_by_another_and_told_when_they_do(site, serve):
    web, refusing = site.hosts[WEB], serve(Refusing)
    site.set(WEB, webhook_url=url(refusing))
    web.used = 0.95
    site.look_for(300)
    site.look_for(120)
    assert site.told() == [(WEB, "disk", "begun", REST), (WEB, "way webhook", "begun", REST)]
    site.set(WEB)
    site.look_for(300)
    site.look_long()
    assert site.told()[2:] == [(WEB, "way webhook", "over", WEB)]
    web.used = 0.5
    site.look_for(300)
    assert site.told()[3:] == [(WEB, "disk", "over", WEB)]


def test_nobody_left_to_tell_means_that_it_is_told_when_somebody_can(site, serve, capsys):
    for name in (WEB, REST):
        site.set(name, webhook_url=url(serve(Refusing)))
    site.hosts[DATABASE].used = 0.95
    assert site.look_for(600) is None
    assert "secret-token" not in "".join(capsys.readouterr())
    site.set(WEB)
    assert site.look_for(300) <= WITHIN_S
    assert (DATABASE, "disk", "begun", WEB) in site.told()


def test_what_another_host_says_is_words_and_no_more_than_fifty(site, monkeypatch):
    causes = {f"disk {n}\r\nBcc: x": {"text": "y" * 999, "since": 1} for n in range(55)}
    file = site.hosts[DATABASE].state_file
    good = json.loads(file.read_text())
    where = (site.addresses[DATABASE], site.port)
    for answer in ("", "[]", '{"at": 1}', json.dumps(good | {"causes": {"disk": 5}}), "[" * 9999):
        file.write_text(answer)
        assert watch.ask(*where) is None
    file.write_text(json.dumps(good | {"causes": causes}))
    heard = watch.ask(*where)["causes"]
    assert len(heard) == 50
    assert all(subject.isprintable() and len(c["text"]) <= 300 for subject, c in heard.items())


def test_somebody_outside_can_miss_the_heartbeat_of_whoever_tells(site, serve):
    pings = serve(Pinged)
    for name in (WEB, REST):
        site.set(name, heartbeat_url=url(pings))
    begun = site.now
    while site.now - begun < 600:
        site.look()
    assert 9 <= len(pings.got) <= 11
    site.hosts[WEB].lives = False
    site.look_for(300)
    del pings.got[:]
    begun = site.now
    while site.now - begun < 600:
        site.look()
    assert 9 <= len(pings.got) <= 11
    site.set(REST, heartbeat_url="http://127.0.0.1:9/x")
    site.look_for(300)
    assert site.told()[-1] == (REST, "heartbeat", "begun", REST)


def test_the_heartbeat_by_e_mail_says_what_stands(site, serve):
    mails = serve(Smtp)
    by_mail = {"mail_to": ["op@test"], "smtp_host": "127.0.0.1"}
    by_mail |= {"smtp_port": mails.server_address[1], "heartbeat_mail_hours": 24}
    site.set(WEB, webhook_url="", **by_mail)
    site.look()
    assert b"web: heartbeat: all is well" in mails.got[-1]
    site.hosts[DATABASE].used = 0.95
    for _ in range(10):
        site.look()
    assert len(mails.got) == 2
    assert b"database: disk: 95 % used" in mails.got[-1]
    site.now += 24 * 3600
    for host in (site.hosts[REST], site.hosts[DATABASE]):
        assert host.watch.main() == 0
    site.hosts[WEB].watch.main()
    assert b"web: heartbeat: database: disk" in mails.got[-1]


@pytest.mark.parametrize(
    ("signer", "address"),
    [("known", "127.0.0.1"), ("known", "192.0.2.1"), ("unknown", "127.0.0.1")],
)
def test_an_e_mail_goes_over_tls_to_whom_it_is_for_alone(serve, tmp_path, signer, address):
    """To nobody with a certificate for another name, or of an authority that nobody here knows."""
    known, server = tmp_path / "known", serve(SmtpOverTls)
    for folder in (known, tmp_path / "unknown"):
        certificates.authority(folder)
    pair = certificates.certify(tmp_path / signer, "mail", [address])
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(pair, pair.with_suffix(".key"))
    settings = NO_WAY | {"webhook_url": "", "mail_to": ["op@test"], "smtp_host": "127.0.0.1"}
    kept = {"lost": {}}
    ways = watch.Ways(settings | {"smtp_port": server.server_address[1]}, kept)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SSL_CERT_FILE", str(known / "ca.pem"))
        arrived = ways.send({"text": "a disk is full"})
    delivered = (signer, address) == ("known", "127.0.0.1")
    assert (arrived, len(server.got)) == ((True, 1) if delivered else (False, 0))
    assert kept["lost"] == ({} if delivered else {"e-mail": "SSLCertVerificationError"})


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


@pytest.mark.parametrize(("age_h", "red"), [(1, ["backup rows"]), (37, ["backup", "backup rows"])])
def test_the_watch_reads_what_was_judged_when_the_backup_was_made(
    tmp_path, monkeypatch, age_h, red
):
    monkeypatch.setattr(state, "BACKUPS", tmp_path / "closed")
    monkeypatch.setattr(state, "UNITS", tmp_path)
    monkeypatch.setattr(state, "BACKUPS_TOLD", tmp_path / "state.json")
    (tmp_path / "ctlv-backup.timer").touch()
    assert list(state.backups()) == []
    told = [["ok", "backup", "last 1 s ago"], ["red", "backup rows", "the last has only 3 of 400"]]
    state.BACKUPS_TOLD.write_text(json.dumps(told))
    made_at = time.time() - age_h * 3600
    os.utime(state.BACKUPS_TOLD, (made_at, made_at))
    assert [subject for how, subject, _ in state.backups() if how == "red"] == red


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
    (home / "releases/serves/GOOD_RELEASE").write_text("2026-11-30T10:00:00+0100 anne@desk\n")
    said = "serves (active, good since 2026-11-30T10:00:00+0100 by anne@desk); back to: "
    assert next(state.release())[2].startswith(said)
    noted = "2026-11-30T10:00:00+0100 c32f09f anne@desk\n"
    (home / "releases/serves/GOOD_RELEASE").write_text(noted)
    said = said.replace("); back", ", commit c32f09f); back")
    assert next(state.release())[2].startswith(said)


def test_how_much_was_free_is_known_of_each_day_of_a_week(site, monkeypatch):
    web = site.hosts[WEB]
    for used in range(20):
        web.used = used / 100
        site.look()
        site.look()
        site.now += 86400
    monkeypatch.setattr(web, "access", lambda path, _: path == web.state.STATE)
    web.state.STATE = web.state_file
    (line,) = [line for line in web.state.told() if line[1] == "disk before"]
    free_gib = 1000 * (1 - 0.12) * 4096 / 2**30
    assert line == ("note", "disk before", f"{free_gib:.1f} GiB free 8 days ago")


@pytest.mark.parametrize(
    ("says", "line"),
    [("synced", ("ok", "member", "synced")), ("drained", ("wait", "member", "drained")),
     ("not synced", ("red", "member", "not synced")),
     ("", ("red", "member", "its check does not answer: RemoteDisconnected"))],
)  # fmt: skip
def test_one_of_three_databases_says_whether_writes_may_come(tmp_path, monkeypatch, says, line):
    unit = tmp_path / "ctlv-galera-check.socket"
    monkeypatch.setattr(state, "MEMBER_CHECK", unit)
    assert list(state.member()) == []  # there is one database
    with socket.create_server(("127.0.0.1", 0)) as listener:
        unit.write_text(f"[Socket]\nListenStream=127.0.0.1:{listener.getsockname()[1]}\n")

        def answer():
            client = listener.accept()[0]
            client.recv(4096)
            head = f"HTTP/1.1 503 x\r\nContent-Length: {len(says) + 1}\r\n\r\n{says}\n"
            client.sendall(head.encode() if says else b"")
            client.close()

        threading.Thread(target=answer, daemon=True).start()
        assert list(state.member()) == [line]


def test_what_cannot_be_found_out_is_red_and_the_rest_is_told(monkeypatch):
    def breaks():
        raise OSError("gone")
        yield

    monkeypatch.setattr(state, "PARTS", (breaks, state.disk))
    lines = state.lines(state.PARTS)
    assert lines[0] == ("red", "check breaks", "cannot be found out: gone")
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
