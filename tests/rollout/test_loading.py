"""ctlv-restore in a MariaDB of the test's own: a dump fills its scratch database, nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.mariadb import PrivateMariaDB, own_folder

PROGRAM = Path(__file__).parents[2] / "ansible/roles/backup/files/ctlv-restore"
HOSTILE = {
    "a right for a stranger": "GRANT ALL ON *.* TO 'mallory'@'%' IDENTIFIED BY 'x';",
    "live rows deleted": "DELETE FROM agenda.task;",
    "live rows read": "CREATE TABLE copied SELECT * FROM agenda.task;",
    "a database more": "CREATE DATABASE other;",
    "a setting of the server": "SET GLOBAL general_log = ON;",
    "a file": "SELECT 'x' INTO OUTFILE '/tmp/ctlv-restore-was-here';",
    "a trigger": "CREATE TABLE t (x INT);"
    "CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW DELETE FROM agenda.task;",
    "a view": "CREATE VIEW task AS SELECT 1;",
    "a procedure": "CREATE PROCEDURE p() SELECT 1;",
    "a table whose name is a statement": "CREATE TABLE `x``; DROP DATABASE agenda; #` (x INT);",
}  # fmt: skip


class Database:
    """`mariadb` and its kin as the program calls them, led to the private server."""

    def __init__(self, folder: Path, server: PrivateMariaDB) -> None:
        self.folder = folder
        self.program = folder / "ctlv-restore"
        count = self._command("count", "cat >&2; echo '{}'")
        text = PROGRAM.read_text().replace("/usr/local/sbin/ctlv-backup", str(count))
        self.program.write_text(text.replace("/run/ctlv-restore.lock", f"{folder}/lock"))
        way = f"--no-defaults --socket={server.socket} --user=root"
        # No such user is on this machine: its account has no password instead.
        words = '"${@/IDENTIFIED VIA unix_socket/}"'
        self._command("mariadb", f"exec /usr/bin/mariadb {way} {words}")
        self._command("mariadb-dump", f'exec /usr/bin/mariadb-dump {way} "$@"')
        self._command("setpriv", 'while [ "$1" != mariadb ]; do shift; done; exec "$@"')
        self.ask("CREATE DATABASE agenda; CREATE TABLE agenda.task (id INT, title TEXT)")
        self.ask("INSERT INTO agenda.task VALUES (1, 'one'), (2, 'two')")

    def _command(self, name: str, script: str) -> Path:
        file = self.folder / name
        file.write_text(f"#!/bin/bash\n{script}\n")
        file.chmod(0o755)
        return file

    def run(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"},
        )

    def ask(self, sql: str) -> list[str]:
        return self.run("mariadb", "-NB", "-e", sql).stdout.splitlines()

    def load(self, dump: str) -> subprocess.CompletedProcess[str]:
        program = (sys.executable, str(self.program))
        return self.run(*program, "load", "agenda", "agenda_drill", stdin=dump)

    def state(self) -> list[str]:
        return self.ask(
            "SELECT user, host FROM mysql.global_priv; SHOW DATABASES; SHOW TABLES IN agenda; "
            "SELECT * FROM agenda.task; SELECT @@general_log"
        )


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    server = PrivateMariaDB(own_folder())
    server.install()
    server.start()
    yield Database(tmp_path_factory.mktemp("bin"), server)
    server.stop()


def test_a_dump_arrives_row_for_row(database):
    dump = database.run("mariadb-dump", "agenda").stdout
    loaded = database.load(dump)
    assert (loaded.returncode, json.loads(loaded.stdout)) == (0, {}), loaded.stderr
    assert database.ask("SELECT * FROM agenda_drill.task") == ["1\tone", "2\ttwo"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_dump_that_wants_more_than_tables_is_refused(database, name):
    database.load("")
    before = database.state()
    loaded = database.load(HOSTILE[name])
    assert loaded.returncode == 1
    assert "\n  Next: " in loaded.stderr
    assert database.state() == before


def test_who_loads_exists_only_while_a_dump_is_loaded(database):
    database.load("CREATE TABLE t (x INT);")
    assert database.ask("SELECT user FROM mysql.global_priv WHERE user LIKE 'ctlv%'") == []


def test_an_account_that_a_killed_load_left_is_made_anew(database):
    left = "'ctlv-restore'@localhost"
    database.ask(f"CREATE USER {left}; GRANT ALL ON *.* TO {left}")
    assert database.load("DELETE FROM agenda.task;").returncode == 1
