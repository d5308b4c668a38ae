"""Backups: whole or not there at all, thinned out by day and week, opened by the operator alone."""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from provision.errors import OperatorError
from rollout import backups, reach
from tests.programs import load_program

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "ansible/roles/backup/files/ctlv-backup"
DUMP = b"""\
-- MariaDB dump
CREATE TABLE `task` (
  `id` uuid NOT NULL
);
INSERT INTO `task` VALUES
(1,'one\\n(2,\\'two\\'),'),
(2,'two');
CREATE TABLE `empty` (
);
-- Dump completed
"""


program = load_program("backup", "ctlv-backup")


@pytest.fixture
def host(tmp_path, key):
    """A database host: a folder, settings, and a mariadb-dump that prints DUMP."""
    public = subprocess.run(
        ["age-keygen", "-y", str(key)], check=True, capture_output=True, text=True, timeout=20
    ).stdout.strip()
    (tmp_path / "bin").mkdir()
    (tmp_path / "folder").mkdir()
    signing_key(tmp_path / "key")
    say(tmp_path, f"cat <<'END'\n{DUMP.decode()}END\n")
    settings = {
        "database": "agenda",
        "account": "ctlv-backup",
        "folder": str(tmp_path / "folder"),
        "recipients": [public],
        "keep_days": 14,
        "take_from": [],
        "key": str(tmp_path / "key"),
        "ssh_config": "",
    }
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    return tmp_path


def signing_key(file):
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "database", "-f", file]
    subprocess.run(make, check=True, timeout=20)
    signers = file.with_name("signers")
    signers.write_text(f"{backups.SIGNER} {file.with_suffix('.pub').read_text()}")
    return signers


def say(host, script):
    dump = host / "bin/mariadb-dump"
    dump.write_text(f"#!/bin/sh\n{script}")
    dump.chmod(0o755)


def command(host, verb):
    code = (
        "import importlib.machinery as m, sys, pathlib; "
        f"p = m.SourceFileLoader('p', {str(PROGRAM)!r}).load_module(); "
        f"p.SETTINGS = pathlib.Path({str(host / 'settings.json')!r}); "
        f"sys.argv = ['ctlv-backup', {verb!r}]; sys.exit(p.main())"
    )
    return [sys.executable, "-W", "ignore", "-c", code]


def run(host, verb, *, asked=""):
    environ = {
        **os.environ,
        "PATH": f"{host}/bin:{os.environ['PATH']}",
        "SSH_ORIGINAL_COMMAND": asked,
    }
    return subprocess.run(
        command(host, verb), env=environ, capture_output=True, timeout=60, check=False
    )


def whole(host):
    return [manifest["name"] for manifest in program.good(host / "folder", deep=True)]


def test_a_backup_opens_with_the_operators_key_and_is_the_dump(host, key):
    made = run(host, "make")
    assert made.returncode == 0, made.stderr
    (name,) = whole(host)
    body = host / f"folder/{name}.age"
    opened = subprocess.run(
        ["age", "--decrypt", "--identity", str(key), str(body)],
        check=True,
        capture_output=True,
        timeout=20,
    ).stdout
    assert gzip.decompress(opened).strip() == DUMP.strip()
    assert b"two" not in body.read_bytes()
    assert [path.stat().st_mode & 0o077 for path in (host / "folder").iterdir()] == [0, 0, 0]


def test_two_backups_of_one_second_are_two(host):
    """Each waits for a second of its own: one of both would else be overwritten."""
    for _ in range(3):
        assert run(host, "make").returncode == 0
    assert len(whole(host)) == 3


def test_the_manifest_counts_the_rows_of_each_table(host):
    run(host, "make")
    (manifest,) = program.good(host / "folder")
    assert {name: table["rows"] for name, table in manifest["tables"].items()} == {
        "task": 2,
        "empty": 0,
    }


def counted(dump):
    found = program.Counted()
    for line in dump.splitlines(keepends=True):
        found.line(line)
    return found


def test_a_checksum_does_not_depend_on_the_order_of_rows_but_on_each_of_them():
    swapped = b"CREATE TABLE `t` (\nINSERT INTO `t` VALUES\n(2),\n(1);\n"
    plain = b"CREATE TABLE `t` (\nINSERT INTO `t` VALUES\n(1),\n(2);\n"
    other = b"CREATE TABLE `t` (\nINSERT INTO `t` VALUES\n(1),\n(3);\n"
    assert counted(plain).as_json() == counted(swapped).as_json()
    assert counted(plain).as_json() != counted(other).as_json()


def test_rows_in_a_form_that_cannot_be_counted_are_refused():
    with pytest.raises(program.BackupError, match="cannot be counted"):
        counted(b"CREATE TABLE `t` (\nINSERT INTO `t` VALUES (1),(2);\n")


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("echo 'CREATE TABLE `task` ('; exit 2", id="the dump fails"),
        pytest.param("echo 'CREATE TABLE `task` ('", id="the dump has no end"),
    ],
)
def test_a_dump_that_is_not_whole_is_no_backup(host, script):
    say(host, script)
    made = run(host, "make")
    assert made.returncode == 1
    assert b"\n  Next: " in made.stderr
    assert whole(host) == []


@pytest.mark.parametrize("after_s", [0.15, 0.4, 0.8, 1.2])
def test_a_run_that_is_killed_leaves_no_backup_and_the_next_one_sweeps(host, after_s):
    slow = DUMP.decode().replace("(2,'two');", "(2,'two');\nEND\nsleep 30\ncat <<'END'")
    say(host, f"cat <<'END'\n{slow}END\n")
    environ = {**os.environ, "PATH": f"{host}/bin:{os.environ['PATH']}"}
    under_way = subprocess.Popen(command(host, "make"), env=environ, start_new_session=True)
    time.sleep(after_s)
    os.killpg(under_way.pid, signal.SIGKILL)
    under_way.wait()
    assert whole(host) == []
    say(host, f"cat <<'END'\n{DUMP.decode()}END\n")
    assert run(host, "make").returncode == 0
    assert len(whole(host)) == 1
    left = [path.name for path in (host / "folder").iterdir() if "unfinished" in path.name]
    assert left == []


def test_a_changed_byte_and_a_missing_one_are_seen(host):
    run(host, "make")
    (name,) = whole(host)
    body = host / f"folder/{name}.age"
    body.chmod(0o600)
    content = bytearray(body.read_bytes())
    content[-1] ^= 1
    body.write_bytes(content)
    assert whole(host) == []
    body.write_bytes(content[:-1])
    assert program.good(host / "folder") == []


AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def names(*ages):
    return [f"agenda-{(AT - age).strftime(program.STAMP)}" for age in ages]


@pytest.mark.parametrize(
    ("ages", "kept"),
    [
        pytest.param([timedelta(hours=h) for h in (1, 2, 20)], [0, 1, 2], id="all of a day"),
        pytest.param(
            [timedelta(days=3), timedelta(days=3, hours=2)], [0], id="then the newest of a day"
        ),
        pytest.param(
            [timedelta(days=d) for d in range(15)],
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
            id="after a week the newest of a week",
        ),
        pytest.param([timedelta(days=15), timedelta(days=16)], [0], id="the newest of all stays"),
        pytest.param([timedelta(days=1), timedelta(days=15)], [0], id="none beyond the limit"),
    ],
)
def test_thinning_keeps(ages, kept):
    given = names(*ages)
    assert program.kept(given, at=AT, keep_days=14) == {given[index] for index in kept}


def test_safety_copies_stay_until_the_limit_and_push_out_no_backup():
    """Each may be the only one with what a restore replaced: none is thinned out by day."""
    backup = names(timedelta(days=3, hours=2), timedelta(days=20))
    ages = (timedelta(hours=1), timedelta(days=3), timedelta(days=3, hours=1), timedelta(days=13))
    safety = [name.replace("agenda-", "agenda_before_restore-") for name in names(*ages)]
    old = [name.replace("agenda-", "agenda_before_restore-") for name in names(timedelta(days=15))]
    given = [*backup, *safety, *old]
    assert program.kept(given, at=AT, keep_days=14) == {backup[0], *safety}


def test_a_safety_copy_that_is_too_old_goes_even_when_it_is_the_last():
    (old,) = names(timedelta(days=15))
    safety = old.replace("agenda-", "agenda_before_restore-")
    assert program.kept([old, safety], at=AT, keep_days=14) == {old}


def test_a_safety_copy_is_made_like_a_backup_and_named_as_what_it_is(host):
    made = run(host, "make-safety")
    assert made.returncode == 0, made.stderr
    (name,) = whole(host)
    assert name.startswith("agenda_before_restore-")
    assert made.stdout.decode().startswith(f"{name}: 2 rows")
    assert program.is_safety_copy(name)
    assert program.is_safety_copy(name) == backups.is_safety_copy(name)
    assert not backups.is_safety_copy(names(timedelta())[0])


def test_a_keeper_is_not_satisfied_by_safety_copies(host, tmp_path):
    """The newest backup of the other host is too old, however young its safety copies are."""
    run(host, "make")
    run(host, "make-safety")
    folder = host / "folder"
    old = f"agenda-{datetime.now(UTC) - timedelta(hours=37):%Y%m%dT%H%M%SZ}"
    (name,) = (name for name in whole(host) if not program.is_safety_copy(name))
    manifest = json.loads((folder / f"{name}.json").read_text()) | {"name": old}
    (folder / f"{old}.json").write_text(json.dumps(manifest))
    (folder / f"{name}.age").rename(folder / f"{old}.age")
    (folder / f"{name}.json").unlink()
    taken = run(host, "take")
    assert taken.returncode == 1
    assert b"more than 36 hours ago" in taken.stderr


@pytest.mark.parametrize(
    "asked", ["", "get ../../etc/shadow", "get agenda-20261124T135745Z", "bash", "list;id"]
)
def test_a_keepers_key_may_list_and_get_whole_backups_only(host, asked):
    answer = run(host, "hand-out", asked=asked)
    assert (answer.returncode, answer.stdout) == (1, b"")


def test_a_keeper_takes_what_it_lacks_and_never_overwrites(host, tmp_path):
    run(host, "make")
    (name,) = whole(host)
    keeper = tmp_path / "keeper"
    (keeper / "bin").mkdir(parents=True)
    (keeper / "folder").mkdir()
    settings = json.loads((host / "settings.json").read_text())
    settings |= {
        "folder": str(keeper / "folder"),
        "take_from": [{"address": "192.0.2.1", "alias": "x"}],
    }
    (keeper / "settings.json").write_text(json.dumps(settings))
    ask = command(host, "hand-out")
    ssh = keeper / "bin/ssh"
    ssh.write_text(
        f"#!{sys.executable}\nimport os, sys\nos.environ['SSH_ORIGINAL_COMMAND'] = sys.argv[-1]\n"
        f"os.execv({ask[0]!r}, {ask!r})\n"
    )
    ssh.chmod(0o755)
    first = run(keeper, "take")
    assert first.returncode == 0, first.stderr
    assert whole(keeper) == [name]
    before = (keeper / f"folder/{name}.age").stat().st_mtime_ns
    assert b"nothing new" in run(keeper, "take").stdout
    assert (keeper / f"folder/{name}.age").stat().st_mtime_ns == before
    assert (keeper / f"folder/{name}.age").stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize(("age_s", "code"), [(3500, 0), (3700, 1)])
def test_a_keeper_waits_to_be_let_in_while_its_key_is_new(host, age_s, code):
    settings = json.loads((host / "settings.json").read_text())
    settings |= {"take_from": [{"address": "192.0.2.1", "alias": "x"}]}
    (host / "settings.json").write_text(json.dumps(settings))
    os.utime(host / "key", (time.time() - age_s, time.time() - age_s))
    ssh = host / "bin/ssh"
    ssh.write_text("#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n")
    ssh.chmod(0o755)
    taken = run(host, "take")
    assert taken.returncode == code, taken.stderr


def test_tables_that_came_back_different_are_named():
    wanted = {"a": {"rows": 1, "sum": "1"}, "b": {"rows": 1, "sum": "2"}}
    assert backups.different(wanted, wanted) == []
    assert backups.different(wanted, {"a": {"rows": 1, "sum": "9"}, "c": {}}) == ["a", "b", "c"]


def test_restore_without_a_name_says_what_there_is_and_touches_nothing(monkeypatch, capsys):
    class Folder:
        def everywhere(self):
            tables = {"task": {"rows": 3}}
            name = "agenda-20251124T135745Z"
            return [backups.Backup(name=name, place="here", manifest={"tables": tables})]

        def fallen(self):
            return {}

        def distrusted(self, _backup):
            return ""

    asked = argparse.Namespace(verb="restore", env="lab", wanted=None, yes=True, confirm="")
    with pytest.raises(OperatorError, match="no FROM= given\n  Next: choose one of these: "):
        backups.act(asked, Folder())
    said = "agenda-20251124T135745Z  0 accounts and 3 tasks, 3 rows  here\n"
    assert capsys.readouterr().out == said


def test_restore_elsewhere_than_in_the_lab_wants_the_environments_name():
    def ask(env, *, yes, confirm):
        asked = argparse.Namespace(env=env, yes=yes, confirm=confirm)
        backups.agreed(asked, "replaces all rows")

    for confirm in ("", "lab"):
        with pytest.raises(OperatorError, match="CONFIRM=srv-px5"):
            ask("srv-px5", yes=True, confirm=confirm)
    ask("srv-px5", yes=False, confirm="srv-px5")
    ask("lab", yes=True, confirm="")


class Hosts:
    """Containers whose every command ends as it is told to."""

    def __init__(self, status: int, stderr: str = "") -> None:
        self.ended = subprocess.CompletedProcess((), status, "", stderr)

    def first(self, group):
        return group

    def of(self, *groups):
        return list(groups)

    def run(self, *_words, **_options):
        return self.ended


def test_rows_that_cannot_be_backed_up_are_not_replaced_unless_they_may_be_lost(capsys):
    mine = object.__new__(backups.Backups)
    mine.hosts = Hosts(1, "Table './agenda/task' is marked as crashed")
    with pytest.raises(OperatorError, match=r"marked as crashed\n.*Next:.*ROWS=lost"):
        mine._keep_what_is_there(may_lose_rows=False)
    mine._keep_what_is_there(may_lose_rows=True)
    assert "could not be backed up; going on" in capsys.readouterr().out


def test_one_file_says_that_there_is_maintenance():
    names = yaml.safe_load((ROOT / "ansible/roles/nginx/vars/main.yml").read_text())
    assert names["__nginx_maintenance"] == reach.MAINTENANCE


def test_the_journal_of_erased_ids_reaches_back_further_than_any_backup():
    limit = yaml.safe_load((ROOT / "ansible/roles/backup/vars/main.yml").read_text())
    text = (ROOT / "app/agenda/erased.py").read_text()
    assert f"KEPT = timedelta(days={limit['__backup_journal_days']})" in text


WHOLE = {"name": "agenda-20261124T135745Z", "bytes": 3, "sha256": "x", "tables": {}}


class Saying(Hosts):
    def __init__(self, stdout: str, status: int = 0, stderr: str = "") -> None:
        self.ended = subprocess.CompletedProcess((), status, stdout, stderr)

    def of(self, *groups):
        return [group for group in groups if group == "database"]


@pytest.fixture
def mine(tmp_path):
    """The operator's side, with a folder of its own."""
    found = object.__new__(backups.Backups)
    found.folder, found.environment, found.hosts = tmp_path / "here", "lab", Saying("")
    found.folder.mkdir()
    found.signers = tmp_path / "signers"
    return found


@pytest.mark.parametrize(
    "broken",
    [
        "{",
        "[]",
        "3",
        "{}",
        json.dumps({**WHOLE, "name": "../../x"}),
        json.dumps({**WHOLE, "name": 1}),
        json.dumps({**WHOLE, "name": "agenda-99999999T999999Z"}),
    ],
)
def test_a_broken_manifest_is_no_backup_and_hides_no_other(mine, broken):
    """Nor does a host choose by a name where its backup is written to here."""
    for name, text in ((WHOLE["name"], json.dumps(WHOLE)), ("agenda-20261125T135745Z", broken)):
        (mine.folder / f"{name}.json").write_text(text)
        (mine.folder / f"{name}.age").write_text("abc")
    mine.hosts = Saying(f"{broken}\n{json.dumps(WHOLE)}\n")
    assert [(b.place, b.name) for b in mine.everywhere()] == [
        ("here", WHOLE["name"]),
        ("database", WHOLE["name"]),
    ]


def test_a_host_that_does_not_answer_is_named(mine, capsys):
    mine.hosts = Saying("", 255, "ssh: connect to host x\nport 22: No route to host")
    assert mine.everywhere() == []
    assert capsys.readouterr().err.startswith("database does not say what backups it has: ssh: ")


def test_a_backup_that_is_not_there_after_all_is_said_in_two_lines(mine):
    with pytest.raises(OperatorError, match="has none that may be loaded\n  Next: "):
        mine.newest_there()


@pytest.mark.parametrize("confirm", ["", "lab"])
def test_a_drill_elsewhere_than_in_the_lab_wants_the_environments_name(confirm, mine):
    asked = argparse.Namespace(
        env="srv-px5", verb="drill", wanted="latest", yes=True, confirm=confirm
    )
    with pytest.raises(OperatorError, match=r"scratch database.*\n  Next: .*CONFIRM=srv-px5"):
        backups.act(asked, mine)


def test_what_was_fetched_grows_no_older_than_the_newest_backup_allows(mine):
    def stamp(age):
        return (AT - age).strftime(backups.STAMP)

    def fetched(kind, age):
        name = f"{kind}-{stamp(age)}"
        (mine.folder / f"{name}.json").write_text(json.dumps({**WHOLE, "name": name}))
        (mine.folder / f"{name}.age").write_text("abc")
        return name

    day = timedelta(days=1)
    wanted = {fetched("agenda", day), fetched("agenda_before_restore", 14 * day)}
    fetched("agenda", 16 * day)
    fetched("agenda_before_restore", 16 * day)
    mine.hosts = Saying('{"keep_days": 14}')
    mine._thin_out(newest=next(b for b in mine.here() if b.name == f"agenda-{stamp(day)}"))
    assert {backup.name for backup in mine.here()} == wanted


def test_age_that_is_missing_is_said_in_two_lines(mine, monkeypatch):
    monkeypatch.setenv("PATH", str(mine.folder))
    mine.key = mine.folder / "key"
    chosen = backups.Backup(name=WHOLE["name"], place="here", manifest=WHOLE)
    with pytest.raises(OperatorError, match=r"age.*\n  Next: "):
        mine._decrypted_into(chosen, "true")


def test_a_backup_is_signed_by_the_host_that_made_it(host, tmp_path):
    run(host, "make")
    (manifest,) = program.good(host / "folder")
    assert backups.is_signed(manifest, host / "signers")
    (tmp_path / "other").mkdir()
    assert not backups.is_signed(manifest, signing_key(tmp_path / "other/key"))
    assert not backups.is_signed(manifest, tmp_path / "no-such-file")


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "agenda-20990101T000000Z"},
        {"sha256": "0" * 64},
        {"bytes": 1},
        {"tables": {}},
        {"signature": None},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_nothing_that_was_signed_may_change(host, changed):
    run(host, "make")
    (manifest,) = program.good(host / "folder")
    assert not backups.is_signed(manifest | changed, host / "signers")


def test_a_signature_for_another_purpose_is_none(host):
    run(host, "make")
    (manifest,) = program.good(host / "folder")
    text = json.dumps({name: manifest[name] for name in backups.SIGNED}, sort_keys=True)
    sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", host / "key"]
    signature = subprocess.run(
        sign, input=text, check=True, capture_output=True, text=True, timeout=20
    )
    signed = manifest | {"signature": signature.stdout}
    assert not backups.is_signed(signed, host / "signers")


def test_what_a_host_made_before_it_had_a_key_is_signed_with_its_next_backup(host):
    run(host, "make")
    (manifest,) = program.good(host / "folder")
    del manifest["signature"]
    file = host / f"folder/{manifest['name']}.json"
    file.chmod(0o600)
    file.write_text(json.dumps(manifest))
    time.sleep(1.1)  # a name has seconds
    run(host, "make")
    found = program.good(host / "folder", deep=True)
    assert [backups.is_signed(one, host / "signers") for one in found] == [True, True]


def test_a_host_without_a_key_makes_no_backup_and_says_so(host):
    (host / "key").unlink()
    made = run(host, "make")
    assert made.returncode == 1
    assert b"cannot be signed" in made.stderr
    assert whole(host) == []


@pytest.fixture
def placed(mine, host, monkeypatch):
    """`placed(place, name, body, signed=)`: a backup there, as its manifest's text tells it."""
    mine.signers = host / "signers"
    told = {"database": [], "web": []}

    def put(place, name, body="abc", *, signed=True):
        digest = hashlib.sha256(body.encode()).hexdigest()
        manifest = {"name": name, "bytes": len(body), "sha256": digest, "tables": {}}
        if signed:
            manifest = program.signed(manifest, {"key": str(host / "key")})
        if place == "here":
            (mine.folder / f"{name}.json").write_text(json.dumps(manifest))
            (mine.folder / f"{name}.age").write_text(body)
        else:
            told[place].append((manifest, body))

    class Places(Saying):
        def of(self, *groups):
            return [group for group in groups if group in {"database", "web"}]

        def run(self, host, *_words, **_options):
            said = "\n".join(json.dumps(manifest) for manifest, _ in told[host])
            return subprocess.CompletedProcess((), 0, said, "")

        def stream(self, host, command, *, to):
            to.write(next(b for m, b in told[host] if m["name"] in command).encode())

    mine.hosts = Places("")
    return put


PAST, FORGED = "agenda-20251124T135745Z", "agenda-20251125T000000Z"


def test_the_latest_is_never_one_that_a_keeper_made_up(mine, placed):
    placed("database", PAST)
    placed("web", FORGED, signed=False)
    assert mine.find("latest").name == PAST


def test_a_backup_that_nobody_known_has_signed_is_refused_by_name(mine, placed):
    placed("database", PAST)
    placed("web", FORGED, signed=False)
    with pytest.raises(OperatorError, match=rf"{FORGED} \(web\) is signed by nobody.*\n  Next: "):
        mine.find(FORGED)


def test_a_backup_from_the_future_is_refused_though_it_is_signed(mine, placed):
    future = f"agenda-{datetime.now(UTC) + timedelta(hours=1):%Y%m%dT%H%M%SZ}"
    placed("database", PAST)
    placed("database", future)
    assert mine.find("latest").name == PAST
    with pytest.raises(OperatorError, match=rf"{future} \(database\) is from the future\n  Next: "):
        mine.find(future)


@pytest.mark.parametrize(
    ("places", "taken_from"),
    [
        (("web", "database", "here"), "here"),
        (("web", "database"), "database"),
        (("web",), "web"),
    ],
)
def test_a_backup_is_taken_from_here_then_the_database_then_a_keeper(
    mine, placed, places, taken_from
):
    for place in places:
        placed(place, PAST, body=f"of {place}")
    mine.find(PAST)
    assert (mine.folder / f"{PAST}.age").read_text() == f"of {taken_from}"


def test_what_was_fetched_unsigned_gives_way_to_what_the_database_signed_since(mine, placed):
    placed("here", PAST, body="forged", signed=False)
    placed("database", PAST, body="made")
    mine.find(PAST)
    assert (mine.folder / f"{PAST}.age").read_text() == "made"


def test_the_list_says_what_is_never_loaded(mine, placed, capsys):
    placed("database", PAST)
    placed("web", FORGED, signed=False)
    said = backups.listed(mine)
    assert f"never loaded: {FORGED} (web) is signed by nobody" in capsys.readouterr().out
    assert said == "1 backups and 0 safety copies in 1 copies"


def test_of_a_rotten_copy_the_next_one_is_taken(mine, placed, capsys):
    placed("here", PAST)
    placed("database", PAST)
    (mine.folder / f"{PAST}.age").write_text("xyz")
    mine.find(PAST)
    assert (mine.folder / f"{PAST}.age").read_text() == "abc"
    assert f"here: {PAST} is not what its manifest says" in capsys.readouterr().err


def test_when_every_copy_is_rotten_that_is_said_and_none_is_kept(mine, placed):
    placed("database", PAST)
    placed("web", PAST)
    mine.hosts.stream = lambda _host, _command, *, to: to.write(b"xyz")
    with pytest.raises(OperatorError, match=r"is not what its manifest says.*\n  Next: every copy"):
        mine.find(PAST)
    assert not list(mine.folder.glob("*.age"))
