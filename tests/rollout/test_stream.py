"""What is written leaves the database within seconds, and comes back up to a moment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provision.errors import OperatorError
from rollout import backups, stream
from tests.app.mariadb import PrivateMariaDB, own_folder
from tests.programs import load_program

ROLE = Path(__file__).parents[2] / "ansible/roles/backup/files"
LOGGED = ("--log-bin=binlog", "--binlog-format=ROW", "--binlog-row-image=MINIMAL")
# The server lets go of a log at once when its tables are written at once.
LOGGED += (
    "--innodb-flush-log-at-trx-commit=1",
    "--binlog-do-db=agenda",
    "--binlog-annotate-row-events=OFF",
    "--server-id=1",
)
WITHIN_S = 20


def until(happened, *, within_s=WITHIN_S):
    """The first true answer of `happened`."""
    limit = time.monotonic() + within_s
    while not (found := happened()):
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.02)
    return found


class Host:
    """A database host: its programs as they are, led to the test's server and folders."""

    def __init__(self, folder: Path, server: PrivateMariaDB, key: Path) -> None:
        self.folder, self.server, self.key = folder, server, key
        self.backups = folder / "backups"
        self.streamed = self.backups / "stream"
        self.signing = folder / "key"
        for made in (self.backups, folder / "bin", folder / "run"):
            made.mkdir()
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "it", "-f", self.signing]
        subprocess.run(make, check=True, timeout=20)
        self.signers = folder / "signers"
        self.signers.write_text(f"{stream.SIGNER} {self.signing.with_suffix('.pub').read_text()}")
        told = ["age-keygen", "-y", str(key)]
        public = subprocess.run(told, check=True, capture_output=True, text=True, timeout=20)
        self.settings = {
            "database": "agenda",
            "account": "root",
            "folder": str(self.backups),
            "recipients": [public.stdout.strip()],
            "keep_days": 14,
            "take_from": [{"alias": "database", "address": "192.0.2.1"}],
            "key": str(self.signing),
            "ssh_config": "",
        }
        self.write_settings()
        way = f"--no-defaults --socket={server.socket} --user=root"
        words = '"${@/IDENTIFIED VIA unix_socket/}"'
        self.command("mariadb", f"exec /usr/bin/mariadb {way} {words}")
        self.command("mariadb-dump", f'exec /usr/bin/mariadb-dump {way} "$@"')
        reads = 'case "$*" in *--read-from-remote-server*) w="--socket={}";; esac'
        reads = reads.format(server.socket)
        self.command("mariadb-binlog", f'{reads}; exec /usr/bin/mariadb-binlog $w "$@"')
        self.command("setpriv", 'while [ "${1#mariadb}" = "$1" ]; do shift; done; exec "$@"')
        self.program = self.led("ctlv-backup", "LOOK_S, HAND_OUT_LOOK_S", "0.05, 0.05, 3600 #")
        self.command("ctlv-count", f'exec {sys.executable} {self.program} "$@"')
        self.restore = self.led("ctlv-restore")
        self.running: list[subprocess.Popen[bytes]] = []

    def led(self, name: str, setting: str = "", value: str = "") -> Path:
        text = (ROLE / name).read_text()
        for theirs, ours in (
            ("/etc/ctlv/backup.json", f"{self.folder}/settings.json"),
            ("/run/ctlv-stream/", f"{self.folder}/run/"),
            ("/run/ctlv-restore.lock", f"{self.folder}/lock"),
            ("/var/backups/agenda", str(self.backups)),
            ("/usr/local/sbin/ctlv-backup", f"{self.folder}/bin/ctlv-count"),
        ):
            text = text.replace(theirs, ours)
        lines = [
            f"{setting}, STREAM_FILE_S = {value}" if setting and line.startswith(setting) else line
            for line in text.splitlines()
        ]
        file = self.folder / name
        file.write_text("\n".join(lines))
        return file

    def write_settings(self):
        (self.folder / "settings.json").write_text(json.dumps(self.settings))

    def command(self, name, script):
        file = self.folder / "bin" / name
        file.write_text(f"#!/bin/bash\n{script}\n")
        file.chmod(0o755)

    @property
    def environ(self):
        return {**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}"}

    def ask(self, sql, database="agenda"):
        asked = subprocess.run(
            [f"{self.folder}/bin/mariadb", "-NB", database, "-e", sql],
            check=True, capture_output=True, text=True, timeout=60, env=self.environ,
        )  # fmt: skip
        return asked.stdout.splitlines()

    def start(self, verb):
        command = [sys.executable, str(self.program), verb]
        with (self.folder / "said").open("a") as said:
            started = subprocess.Popen(command, env=self.environ, stdout=said, stderr=said)
        self.running.append(started)
        return started

    def stop(self):
        while self.running:
            ended = self.running.pop()
            ended.kill()
            ended.wait(timeout=WITHIN_S)

    def state(self):
        return stream_program.stream_state(self.backups)

    def is_streamed(self):
        """Whether all that is written now lies in the stream."""
        logged = self.ask("SELECT @@GLOBAL.gtid_binlog_pos")
        return [self.state().get("gtid")] == logged and len(self.ask("SHOW BINARY LOGS")) == 1

    def based(self):
        """The backup that the stream goes on from."""
        whole = [json.loads(file.read_text()) for file in self.backups.glob("agenda-*.json")]
        found = [manifest for manifest in whole if "position" in manifest]
        return max(found, key=lambda manifest: manifest["name"]) if found else None

    def since(self, folder, *, moment, manifest=None):
        manifest = manifest or self.based()
        for file in stream_program.stream_files(self.backups):
            (folder / f"{file.name}-database").write_bytes(file.read_bytes())
        return stream.Since(
            backup=manifest["name"],
            made_at=backups.stamp_of(manifest["name"]),
            position=manifest["position"],
            until=moment,
            folder=folder,
            key=self.key,
            signers=self.signers,
        )

    def restored(self, verb, *, stdin=b"", scratch="agenda_restore"):
        return subprocess.run(
            [sys.executable, str(self.restore), verb, "agenda", scratch],
            input=stdin, capture_output=True, timeout=60, check=False, env=self.environ,
        )  # fmt: skip

    def load_base(self):
        body = self.backups / f"{self.based()['name']}.age"
        opened = stream.opened(body.read_bytes(), self.key)
        unpacked = subprocess.run(["gunzip"], input=opened, capture_output=True, check=True)
        loaded = self.restored("load", stdin=unpacked.stdout)
        assert loaded.returncode == 0, loaded.stderr

    def replay(self, since):
        command = ["env", f"PATH={self.environ['PATH']}", sys.executable, str(self.restore)]
        return since.feed([*command, "replay", "agenda", "agenda_restore"])


stream_program = load_program("backup", "ctlv-backup")


@pytest.fixture(scope="module")
def server():
    private = PrivateMariaDB(own_folder(), options=LOGGED)
    private.install()
    private.start()
    yield private
    private.stop()


@pytest.fixture
def host(server, key, tmp_path):
    made = Host(tmp_path, server, key)
    made.ask("DROP DATABASE IF EXISTS agenda; DROP DATABASE IF EXISTS agenda_restore", "mysql")
    made.ask("CREATE DATABASE agenda", "mysql")
    made.ask(
        "CREATE TABLE task (id INT PRIMARY KEY, title TEXT, note TEXT);"
        "CREATE TABLE said (id INT PRIMARY KEY, task INT, FOREIGN KEY (task) REFERENCES task (id));"
        "INSERT INTO task VALUES (1, 'first', 'n'), (2, 'second', 'n')"
    )
    yield made
    made.stop()


@pytest.fixture
def streaming(host):
    host.start("stream")
    until(host.based)
    until(host.is_streamed)
    return host


def now():
    """Moments are whole seconds: the next one has begun."""
    at = datetime.now(UTC).replace(microsecond=0)
    until(lambda: datetime.now(UTC) >= at + timedelta(seconds=1))
    return at


def test_what_is_written_is_in_the_stream_and_gone_from_the_server(streaming):
    streaming.ask("INSERT INTO task VALUES (3, 'a word nobody may read', '')")
    until(streaming.is_streamed)
    (log,) = streaming.ask("SHOW BINARY LOGS")
    assert log.startswith(streaming.state()["log"])
    content = b"".join(file.read_bytes() for file in stream_program.stream_files(streaming.backups))
    assert b"nobody may read" not in content
    chunks = [chunk for _at, chunk in stream.chunks(content, streaming.signers)]
    assert any(b"nobody may read" in stream.opened(c.body, streaming.key) for c in chunks)
    # The log in clear was in memory, and only while it was encrypted.
    assert [file.name for file in (streaming.folder / "run").iterdir()] == ["fresh"]


def test_of_a_row_that_goes_only_its_key_is_logged(streaming, tmp_path):
    streaming.ask("UPDATE task SET note = 'm' WHERE id = 2; DELETE FROM task WHERE id = 1")
    until(streaming.is_streamed)
    folder = tmp_path / "fetched"
    folder.mkdir()
    log = b"".join(streaming.since(folder, moment=datetime.now(UTC)).parts())
    assert b"first" not in log
    assert b"second" not in log


def test_a_restore_to_a_moment_has_all_until_then_and_nothing_later(streaming, tmp_path):
    streaming.ask("INSERT INTO task VALUES (3, 'third', ''); INSERT INTO said VALUES (1, 3)")
    streaming.ask("UPDATE task SET title = 'changed' WHERE id = 2; DELETE FROM task WHERE id = 1")
    streaming.ask("ALTER TABLE task ADD COLUMN colour INT NULL; UPDATE task SET colour = 7")
    moment = now()
    streaming.ask("INSERT INTO task VALUES (4, 'too late', '', 1); DELETE FROM said")
    until(streaming.is_streamed)
    (tmp_path / "fetched").mkdir()
    since = streaming.since(tmp_path / "fetched", moment=moment)
    since.read(known=stream.LATEST)
    streaming.load_base()
    before = streaming.ask("SELECT @@GLOBAL.gtid_binlog_pos")
    assert streaming.replay(since) == ""
    rows = streaming.ask("SELECT * FROM agenda_restore.task; SELECT * FROM agenda_restore.said")
    assert rows == ["2\tchanged\tn\t7", "3\tthird\t\t7", "1\t3"]
    # What is loaded aside is not written to the agenda, and nobody is left who may.
    assert streaming.ask("SELECT @@GLOBAL.gtid_binlog_pos") == before
    assert streaming.ask("SELECT user FROM mysql.global_priv WHERE user LIKE 'ctlv%'") == []
    assert since.transactions == 6


def test_a_stream_goes_on_after_it_was_killed(streaming, tmp_path):
    streaming.stop()
    streaming.ask("INSERT INTO task VALUES (3, 'meanwhile', '')")
    chain = streaming.state()["chain"]
    streaming.start("stream")
    until(streaming.is_streamed)
    assert streaming.state()["chain"] == chain
    (tmp_path / "fetched").mkdir()
    since = streaming.since(tmp_path / "fetched", moment=datetime.now(UTC))
    assert b"meanwhile" in b"".join(since.parts())


def test_what_was_shipped_twice_is_replayed_once(streaming, tmp_path):
    state = streaming.streamed / "state.json"
    streaming.ask("INSERT INTO task VALUES (3, 'once', '')")
    until(streaming.is_streamed)
    last = stream_program.stream_files(streaming.backups)[-1]
    streaming.stop()
    # The power went after the chunk was written, and before the state said so.
    again = last.with_name(stream_program.Journal.__name__)
    again.write_bytes(last.read_bytes())
    again.rename(last.with_name("20991231T235959Z"))
    assert state.exists()
    (tmp_path / "fetched").mkdir()
    since = streaming.since(tmp_path / "fetched", moment=datetime.now(UTC))
    assert b"".join(since.parts()).count(b"once") == 1


def test_two_pasts_of_one_database_are_not_mixed(streaming, tmp_path):
    """Taken back to a snapshot alone, it counts its transactions anew."""
    streaming.ask("INSERT INTO task (id) VALUES (3)")
    until(streaming.is_streamed)
    content = b"".join(file.read_bytes() for file in stream_program.stream_files(streaming.backups))
    *_, (_at, last) = stream.chunks(content, streaming.signers)
    log = stream.opened(last.body, streaming.key)
    found = stream.events(log)
    begun = next(event for kind, _when, event in found if kind == stream.TRANSACTION)
    later = (int.from_bytes(begun[:4], "little") + 60).to_bytes(4, "little") + begun[4:]
    number = int.from_bytes(begun[stream.HEADER.size :][:8], "little")
    replay = stream.Replay("agenda", after=number - 1, until=stream.LATEST)
    replay.through(log)
    replay.through(log)
    with pytest.raises(OperatorError, match=f"two transactions {number}"):
        replay.through(log.replace(begun, later))


def test_rows_that_another_restore_brought_are_no_part_of_what_leads_on(streaming, tmp_path):
    old = streaming.based()
    moment = now()
    streaming.load_base()
    assert streaming.restored("swap").returncode == 0
    until(lambda: streaming.based()["name"] != old["name"])
    streaming.ask("INSERT INTO task VALUES (3, 'after it', '')")
    until(streaming.is_streamed)
    later = now()
    for name, manifest, at, problem in (
        ("before", old, moment, ""),
        ("across", old, later, "the log (has what is no row|began anew)"),
        ("after", streaming.based(), later, ""),
    ):
        folder = tmp_path / name
        folder.mkdir()
        since = streaming.since(folder, moment=at, manifest=manifest)
        if problem:
            with pytest.raises(OperatorError, match=problem):
                since.read(known=stream.LATEST)
        else:
            since.read(known=stream.LATEST)


def test_a_chunk_that_is_lost_or_made_up_is_a_gap(streaming, tmp_path):
    for number in (3, 4, 5):
        streaming.ask(f"INSERT INTO task (id) VALUES ({number})")  # noqa: S608 - a number
        until(streaming.is_streamed)
    folder = tmp_path / "fetched"
    folder.mkdir()
    since = streaming.since(folder, moment=datetime.now(UTC))
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    found = list(stream.chunks(whole, streaming.signers))
    begin, chunk = found[-2]
    file.write_bytes(
        whole[: begin + 200] + whole[begin + 200 :].replace(chunk.body, chunk.body[::-1])
    )
    with pytest.raises(OperatorError, match="1 transactions are missing between") as caught:
        since.read(known=stream.LATEST)
    assert "with TO= up to" in str(caught.value)
    # Another copy has it.
    file.with_name(file.name.replace("database", "web")).write_bytes(whole)
    since.read(known=stream.LATEST)
    assert since.transactions == 3


def test_a_moment_that_nobody_knows_of_yet_is_refused(streaming, tmp_path):
    streaming.ask("INSERT INTO task (id) VALUES (3)")
    until(streaming.is_streamed)
    (tmp_path / "fetched").mkdir()
    later = datetime.now(UTC) + timedelta(minutes=1)
    since = streaming.since(tmp_path / "fetched", moment=later)
    with pytest.raises(OperatorError, match=r"is known until .*\n  Next: TO=latest"):
        since.read(known=None)
    since.read(known=later)
    since.until = stream.LATEST
    since.read(known=None)
    assert later > since.known >= datetime.now(UTC) - timedelta(seconds=10)
    assert since.transactions == 1


def test_what_a_power_cut_left_of_a_chunk_ends_its_file(streaming):
    streaming.ask("INSERT INTO task VALUES (3, 'n', '')")
    until(streaming.is_streamed)
    content = b"".join(file.read_bytes() for file in stream_program.stream_files(streaming.backups))
    whole = list(stream.chunks(content, streaming.signers))
    for cut in (1, 200, len(whole[-1][1].body) + 3):
        assert list(stream.chunks(content[:-cut], streaming.signers)) == whole[:-1]
    assert list(stream.chunks(content + b"\0" * 4096, streaming.signers)) == whole


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("GRANT ALL ON agenda.* TO mallory@'%' IDENTIFIED BY 'x'", "GRANT"),
        ("CREATE TRIGGER g AFTER INSERT ON task FOR EACH ROW DELETE FROM said", "TRIGGER"),
        ("CREATE VIEW seen AS SELECT 1", "VIEW"),
        ("CREATE TABLE x (y INT) /*! COMMENT 'z' */", "CREATE TABLE"),
        ("CREATE TABLE x (y VARCHAR(90) DEFAULT '; GRANT ALL ON *.* TO x')", "CREATE TABLE"),
        ("RENAME TABLE said TO told", "RENAME"),
    ],
)
def test_a_statement_that_changes_no_table_is_let_through_to_nobody(
    streaming, tmp_path, statement, named
):
    streaming.ask(statement)
    until(streaming.is_streamed)
    (tmp_path / "fetched").mkdir()
    since = streaming.since(tmp_path / "fetched", moment=datetime.now(UTC))
    with pytest.raises(OperatorError, match=f"no row of the agenda: .*{named}"):
        since.read(known=stream.LATEST)
    streaming.ask("DROP USER IF EXISTS mallory@'%'", "mysql")


class Keeper(Host):
    """Another host, whose SSH ends at the first."""

    def led_to(self, database: Host) -> None:
        script = f'export PATH={database.environ["PATH"]} SSH_ORIGINAL_COMMAND="${{@: -1}}"'
        self.command("ssh", f"{script}\nexec {sys.executable} {database.program} hand-out")


@pytest.fixture
def keeper(streaming, server, key, tmp_path):
    folder = tmp_path / "keeper"
    folder.mkdir()
    made = Keeper(folder, server, key)
    made.led_to(streaming)
    yield made
    made.stop()


def content(host):
    return {file.name: file.read_bytes() for file in stream_program.stream_files(host.backups)}


def test_a_keeper_has_the_same_bytes_and_says_until_when(streaming, keeper):
    keeper.start("follow")
    streaming.ask("INSERT INTO task VALUES (3, 'n', '')")
    written_at = time.time()
    until(streaming.is_streamed)
    fresh = keeper.folder / "run/fresh"
    until(lambda: fresh.exists() and fresh.stat().st_mtime > written_at)
    assert content(keeper) == content(streaming) != {}


def test_a_keeper_goes_on_where_it_stopped(streaming, keeper):
    keeper.start("follow")
    until(lambda: content(keeper) == content(streaming))
    keeper.stop()
    streaming.ask("INSERT INTO task VALUES (3, 'n', '')")
    until(streaming.is_streamed)
    streaming.stop()
    streaming.start("stream")
    streaming.ask("INSERT INTO task VALUES (4, 'in another file', '')")
    until(lambda: streaming.is_streamed() and len(content(streaming)) == 2)
    keeper.start("follow")
    until(lambda: content(keeper) == content(streaming))


def test_what_a_keeper_has_is_never_overwritten(streaming, keeper):
    keeper.start("follow")
    until(lambda: content(keeper) == content(streaming))
    keeper.stop()
    (name,) = content(streaming)
    kept = content(keeper)
    # A database host that lost its disk tells less.
    streaming.stop()
    (streaming.streamed / name).write_bytes(b"")
    follows = keeper.start("follow")
    until((keeper.folder / "run/fresh").exists)
    assert follows.poll() is None
    assert content(keeper) == kept


def test_the_stream_grows_no_older_than_a_backup(host):
    folder = host.backups
    (folder / "stream").mkdir()
    at = datetime.now(UTC)
    for days in (20, 15, 13, 0):
        name = (at - timedelta(days=days)).strftime(backups.STAMP)
        (folder / "stream" / name).write_bytes(b"x")
    stream_program.thin_out(folder, at=at, keep_days=14)
    assert len(content(host)) == 2
