"""What a host notes of its releases: marks, links, the lock, and what may be forgotten."""

from __future__ import annotations

import gzip
import json
import os
import secrets
import stat
import subprocess
import time
from pathlib import Path

import pytest
import release_alone
import release_ask
import release_dump
import release_info
import release_lock
import release_record
import release_run
import release_switch
import release_unpack

from ansible.module_utils import releases

RUN = {"by": "ann@desk", "machine": "m1", "run": "b-10-100", "alive": ["b-10-100", "b-20-200"]}


@pytest.fixture(autouse=True)
def log(tmp_path, monkeypatch):
    path = tmp_path / "log"
    monkeypatch.setattr(releases, "LOG", path)
    return path


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    for name in ("a", "b", "c"):
        (folder / "releases" / name).mkdir(parents=True)
        (folder / "releases" / name / ".complete").touch()
    return folder


def test_good_releases_are_those_proved_and_not_found_bad_the_latest_first(home, monkeypatch):
    for moment, name in enumerate(("a", "c", "b")):
        monkeypatch.setattr(releases, "now", lambda moment=moment: f"2026-11-24T10:00:0{moment}")
        releases.note(home, name, releases.GOOD, by="ann")
    releases.note(home, "b", releases.BAD, by="ann", why="answers 500")

    assert releases.good(home) == ["c", "a"]


def test_link_is_replaced_and_never_missing(home):
    assert releases.link(home / "current", "one")
    assert not releases.link(home / "current", "one")
    assert releases.link(home / "current", "two")
    assert (home / "current").readlink().name == "two"
    assert sorted(path.name for path in home.iterdir()) == ["current", "releases"]


def test_serving_release_is_the_one_whose_socket_is_linked(home):
    assert releases.serving(home) == ""
    releases.link(home / "current.sock", "/run/agenda/b/web.sock")
    assert releases.serving(home) == "b"


def test_log_is_only_appended_to_one_line_an_event(log):
    releases.log(by="ann@desk", action="redeploy", release="a", result="bad", detail="two\nlines")
    releases.log(by="bob@desk", action="rollback", release="b", result="good")

    first, second = log.read_text().splitlines()
    assert "ann@desk redeploy a: bad (two lines)" in first
    assert "bob@desk rollback b: good" in second
    assert stat.S_IMODE(log.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("holder", "age_s", "stale"),
    [
        pytest.param({"machine": "m1", "run": "b-20-200"}, 5, False, id="lives on this machine"),
        pytest.param({"machine": "m1", "run": "b-20-199"}, 5, True, id="its number is another's"),
        pytest.param({"machine": "m1", "run": "b-30-300"}, 5, True, id="was killed here"),
        pytest.param({"machine": "m2", "run": "b-30-300"}, 5, False, id="elsewhere, unknown"),
        pytest.param({"machine": "m2", "run": "b-30-300"}, 7201, True, id="elsewhere, long ago"),
    ],
)
def test_lock_is_stale_only_when_its_run_has_ended(holder, age_s, stale):
    found = release_lock.is_stale(holder, RUN, age_s=age_s, stale_after_s=7200)
    assert found is stale


def take(path, run=RUN, *, forced=False):
    return release_lock.take(path, run, action="redeploy", forced=forced, limit_s=7200)


def test_second_run_is_told_who_holds_the_lock_and_since_when(tmp_path):
    path = tmp_path / "lock"
    other = {"by": "bob@laptop", "machine": "m2", "run": "x-1-1", "alive": ["x-1-1"]}
    assert take(path, other) == ""

    refused = take(path)

    since = json.loads(path.read_text())["at"]
    assert f"bob@laptop is at work here since {since}: redeploy" in refused
    assert "Next:" in refused
    release_lock.give_back(path, RUN)
    assert path.exists(), "a lock was given back by a run that does not hold it"
    assert take(path, forced=True) == ""
    release_lock.give_back(path, RUN)
    assert not path.exists()


def test_lock_of_a_killed_run_is_taken_over_and_that_is_logged(tmp_path, log):
    path = tmp_path / "lock"
    killed = {**RUN, "run": "b-11-110"}
    assert take(path, killed) == ""
    assert take(path) == ""
    assert json.loads(path.read_text())["run"] == RUN["run"]
    assert "take over the lock" in log.read_text()


@pytest.mark.parametrize(
    ("command", "is_one"),
    [
        ("/x/.venv/bin/python\0/x/.venv/bin/ansible-playbook\0-i\0inventory/lab", True),
        ("/x/.venv/bin/ansible-playbook\0site.yml", True),
        ("/bin/bash\0-c\0.venv/bin/ansible-playbook site.yml", False),
        ("vim\0notes", False),
    ],
)
def test_playbook_run_is_told_from_a_shell_that_starts_one(command, is_one):
    assert release_run.is_playbook(command) is is_one


def test_run_is_named_after_the_oldest_playbook_process_above():
    assert release_run.oldest_ancestor({os.getpid(): "me", os.getppid(): "mine"}, os.getpid()) == (
        "mine"
    )
    assert release_run.oldest_ancestor({}, os.getpid()) == ""


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        pytest.param(
            [
                "Traceback (most recent call last):",
                '  File "/opt/agenda/x.py", line 1, in <module>',
                "ModuleNotFoundError: No module named 'nowhere'",
                "[2026-11-24 10:00:00] [1] [INFO] Shutting down: Master",
                "agenda@x.service: Main process exited, code=exited, status=3/NOTIMPLEMENTED",
            ],
            "ModuleNotFoundError: No module named 'nowhere'",
            id="an exception before systemd's words",
        ),
        pytest.param(
            ["django.core.exceptions.ImproperlyConfigured: the agenda cannot start:"],
            "django.core.exceptions.ImproperlyConfigured: the agenda cannot start:",
            id="a name with dots",
        ),
        pytest.param(
            [
                "Starting…",
                "agenda@x.service: start operation timed out. Terminating.",
                "agenda@x.service: Failed with result 'timeout'.",
            ],
            "agenda@x.service: start operation timed out. Terminating.",
            id="a hang",
        ),
        pytest.param(["Booting worker with pid: 7"], "", id="nothing that explains"),
    ],
)
def test_cause_is_what_the_release_said_last(lines, named):
    assert release_record.cause(lines) == named


@pytest.mark.parametrize(
    ("names", "proved", "held", "gone"),
    [
        pytest.param("gfedcba", "gfedcba", "gf", "ba", id="the oldest go"),
        pytest.param("gfedcba", "ba", "g", "dc", id="the last good ones stay, however old"),
        pytest.param("cba", "", "c", "", id="few stay"),
        pytest.param("gfedcba", "g", "ga", "cb", id="what is in use stays"),
    ],
)
def test_five_releases_are_kept_and_the_last_good_one_always(names, proved, held, gone):
    found = release_record.forgettable(list(names), proved=list(proved), held=list(held), keep=5)
    assert "".join(found) == gone


def test_dumps_are_bounded_in_number(tmp_path):
    for days_ago in range(5):
        path = tmp_path / f"{days_ago}.sql.gz"
        path.touch()
        os.utime(path, (1e9 - days_ago * 86400, 1e9 - days_ago * 86400))
    (tmp_path / "other").touch()

    assert release_dump.forget(tmp_path, keep=3) == ["3.sql.gz", "4.sql.gz"]
    assert release_dump.forget(tmp_path, keep=3) == []
    assert (tmp_path / "other").exists()


def test_half_a_dump_takes_no_whole_ones_place(tmp_path):
    """What a killed run left, under the name it had while it was written."""
    for name in ("1.sql.gz.age", "2.sql.gz.age", "3.sql.gz.age", ".4.sql.gz.age", ".5.sql.gz"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1e9, 1e9))

    assert release_dump.forget(tmp_path, keep=3) == [".4.sql.gz.age", ".5.sql.gz"]


class Server:
    """Answers in turn what it was given; a release as `Person` sees it."""

    expect = release_ask.Person.expect
    form = release_ask.Person.form

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = 0

    def ask(self, _method, _path, _values=None):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("answers", "refused"),
    [
        pytest.param([(503, b'{"database": "away"}'), (200, b"")], "", id="well after a moment"),
        pytest.param([release_ask.RefusedError("refused"), (200, b"")], "", id="slow to listen"),
        pytest.param([(500, b"oops")], "/readyz says 500: oops", id="broken for good"),
    ],
)
def test_ready_waits_for_what_may_pass_and_for_nothing_else(answers, refused, monkeypatch):
    monkeypatch.setattr(release_ask.time, "sleep", lambda _s: None)
    if not refused:
        release_ask.ready(Server(*answers), limit_s=5)
        return
    with pytest.raises(release_ask.RefusedError, match=refused):
        release_ask.ready(Server(*answers), limit_s=5)


@pytest.mark.parametrize(
    ("seen", "refused"),
    [
        pytest.param([([1, 2], 90.0), ([1, 2], 95.0)], "", id="steady"),
        pytest.param([([1, 2], 90.0), ([1, 2], 150.0)], "leaks memory: from 90 to 150", id="leaks"),
        pytest.param([([1, 2], 90.0), ([1, 3], 60.0)], "were replaced", id="was killed"),
    ],
)
def test_memory_is_watched_while_it_answers(seen, refused, monkeypatch):
    found = list(seen)
    monkeypatch.setattr(release_ask, "processes", lambda _unit: found.pop(0))
    if not refused:
        assert release_ask.memory("agenda@x.service", lambda: None) == 5.0
        return
    with pytest.raises(release_ask.RefusedError, match=refused):
        release_ask.memory("agenda@x.service", lambda: None)


@pytest.fixture
def asked(monkeypatch):
    """`asked(person, ...)`: what release_ask says of a release that answers so."""

    def ask(person, **given):
        monkeypatch.setattr(release_ask, "processes", lambda _unit: ([1, 2], 90.0))
        monkeypatch.setattr(release_ask.time, "sleep", lambda _s: None)
        given = {"unit": "agenda@x.service", "manage": ["manage"], "ready_s": 5, **given}
        return release_ask.every_question(given, person)

    return ask


def test_a_connection_that_the_databases_restart_cut_refuses_no_release(asked):
    """A REST server's memory is watched while it says that it is ready: once it is not."""
    loaded = release_ask.WARM_UP + release_ask.LOAD
    answers = [(200, b"")] * 10 + [(503, b'{"database": "gone away"}')] + [(200, b"")] * loaded
    assert asked(Server(*answers), questions=["ready", "memory"]) == 0.0


def test_a_release_that_is_not_ready_any_more_is_refused_at_the_deadline(asked):
    answers = [(200, b"")] + [(503, b'{"database": "away"}')] * 3
    with pytest.raises(release_ask.RefusedError, match="readyz says 503") as refused:
        asked(Server(*answers), questions=["ready", "memory"], ready_s=0)
    assert refused.value.question == "memory"


@pytest.mark.parametrize(
    ("answers", "question"),
    [
        pytest.param([(503, b"")], "ready", id="not ready"),
        pytest.param([(200, b""), (500, b"")], "page", id="no page"),
    ],
)
def test_a_refusal_names_the_question_so_that_another_release_can_be_asked_it(
    answers, question, asked, monkeypatch
):
    monkeypatch.setattr(release_ask, "shell", lambda _: '{"username": "probe", "password": "x"}')
    with pytest.raises(release_ask.RefusedError) as refused:
        asked(Server(*answers), questions=["ready", "page"], ready_s=0)
    assert refused.value.question == question


def test_failed_release_is_marked_with_its_cause_logged_and_stopped(home, log, monkeypatch):
    asked = []

    def run(*command):
        asked.append(command)
        is_journal = command[0] == "journalctl"
        return "Traceback:\nModuleNotFoundError: No module named 'x'\n" if is_journal else ""

    monkeypatch.setattr(release_record, "run", run)
    given = {
        "home": str(home),
        "evidence": str(home / "evidence"),
        "units": ["agenda@b.service"],
        "by": "ann@desk",
        "action": "redeploy",
        "state": "bad",
        "why": "Unable to start service agenda@b.service: Job failed.\nSee journalctl.",
        "gently": False,
    }
    told = release_record.condemn(given, home / "releases/b")

    assert told["cause"] == "it did not start: ModuleNotFoundError: No module named 'x'"
    assert releases.read(home / "releases/b" / releases.BAD)["why"] == told["cause"]
    assert "redeploy b: bad (it did not start" in log.read_text()
    evidence = (home / "evidence").glob("*-b.txt")
    assert "Traceback:" in next(evidence).read_text()
    assert ("systemctl", "disable", "--now", "agenda@b.service") in asked


def test_release_is_not_marked_when_the_one_that_serves_failed_too(home, log, monkeypatch):
    monkeypatch.setattr(release_record, "run", lambda *_: "")
    given = {
        **{"home": str(home), "evidence": str(home / "evidence"), "units": [], "by": "ann"},
        **{"action": "redeploy", "gently": False, "state": "failed", "why": "/readyz says 503"},
    }
    told = release_record.condemn(given, home / "releases/b")
    assert not (home / "releases/b" / releases.BAD).exists()
    assert "redeploy b: failed, and is not to blame (/readyz says 503)" in log.read_text()
    assert "/readyz says 503" in Path(told["evidence"]).read_text()


@pytest.mark.parametrize(("kind", "released"), [("mark", True), ("none", False)])
def test_only_whole_releases_count(home, kind, released):
    if kind == "none":
        (home / "releases/c/.complete").unlink()
    assert ("c" in [path.name for path in releases.whole(home)]) is released


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A mariadb-dump of the test's own, first on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def write(line):
        (folder / "mariadb-dump").write_text(f"#!/bin/sh\n{line}\n")
        (folder / "mariadb-dump").chmod(0o755)

    return write


def test_a_dump_is_opened_by_the_operators_key_alone(tmp_path, programs):
    programs("echo 'INSERT forgotten'")
    key = tmp_path / "key"
    said = subprocess.run(
        ["age-keygen", "-o", str(key)], capture_output=True, text=True, check=True, timeout=10
    ).stderr
    target = tmp_path / "one.sql.gz.age"
    release_dump.dump("agenda", target, recipients=[said.split()[-1]])
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert b"age-encryption.org" in target.read_bytes()[:40]
    opened = subprocess.run(
        ["age", "--decrypt", "--identity", str(key), str(target)],
        capture_output=True,
        check=True,
        timeout=10,
    ).stdout
    assert gzip.decompress(opened) == b"INSERT forgotten\n"


@pytest.mark.parametrize(
    ("line", "recipients"),
    [
        pytest.param("echo half; exit 2", [], id="the dump fails"),
        pytest.param("echo whole", ["age1nonsense"], id="the key is none"),
    ],
)
def test_a_dump_that_failed_leaves_nothing(line, recipients, tmp_path, programs):
    programs(line)
    with pytest.raises(RuntimeError):
        release_dump.dump("agenda", tmp_path / "one.sql.gz", recipients=recipients)
    assert list(tmp_path.glob("*one*")) == []


def test_a_rollback_that_was_killed_is_known_as_one_when_it_is_run_again(tmp_path, monkeypatch):
    """Killed at the last moment before its switch is complete, or after: never one more back."""
    moves = []

    def link(path, to):
        assert json.loads((tmp_path / "rolled-back").read_text())["to"] == "one"
        moves.append(path.name)

    monkeypatch.setattr(release_switch, "link", link)
    monkeypatch.setattr(release_switch, "serving", lambda _: "two")
    release_switch.switch(tmp_path, "one", "/run/agenda/one/web.sock", by="ann", action="rollback")
    assert moves == ["previous", "current", "current.sock"]


def test_a_redeploy_is_no_rollback(tmp_path, monkeypatch):
    monkeypatch.setattr(release_switch, "serving", lambda _: "one")
    release_switch.switch(tmp_path, "two", "/run/agenda/two/web.sock", by="ann", action="redeploy")
    assert not (tmp_path / "rolled-back").exists()


@pytest.mark.parametrize(
    ("shown", "stopped"),
    [
        pytest.param("ActiveState=active\nUnitFileState=enabled", True, id="the one before"),
        pytest.param("ActiveState=activating\nUnitFileState=disabled", True, id="it restarts"),
        pytest.param("ActiveState=inactive\nUnitFileState=enabled", True, id="it would at boot"),
        pytest.param("ActiveState=deactivating\nUnitFileState=disabled", False, id="it stops"),
        pytest.param("ActiveState=inactive\nUnitFileState=disabled", False, id="it stopped"),
    ],
)
def test_other_releases_are_stopped_when_they_run_or_would(shown, stopped, monkeypatch):
    listed = "agenda@new.service loaded active\nagenda@old.service loaded active\n"
    monkeypatch.setattr(
        release_alone, "systemctl", lambda verb, *_: listed if verb == "list-units" else shown
    )

    assert release_alone.others("new") == (["agenda@old.service"] if stopped else [])


def archive_of(folder: Path, target: Path) -> Path:
    subprocess.run(["tar", "-czf", target, "-C", folder, "."], check=True)
    return target


def test_archive_is_unpacked_and_gone(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / ".complete").write_text("")
    archive = archive_of(source, tmp_path / "archive.tar.gz")

    release_unpack.unpack(archive, tmp_path / "there")

    assert (tmp_path / "there/.complete").is_file()
    assert not archive.exists()


def test_half_an_archive_is_no_release(tmp_path):
    """A run killed while it sent: tar fails, and what is there lacks its last file."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "first").write_bytes(secrets.token_bytes(100_000))
    (source / ".complete").write_text("")
    archive = archive_of(source, tmp_path / "archive.tar.gz")
    archive.write_bytes(archive.read_bytes()[:50_000])

    with pytest.raises(subprocess.CalledProcessError):
        release_unpack.unpack(archive, tmp_path / "there")

    assert archive.exists()


@pytest.mark.parametrize(
    ("says", "removed"),
    [
        pytest.param({"remove": ["remove", "--username=probe"]}, "--username=probe", id="alone"),
        pytest.param({}, "remove", id="a release before 1.0"),
    ],
)
@pytest.mark.parametrize("answer", [(500, b"oops"), (200, b"")], ids=["refused", "no form"])
def test_account_that_asked_is_removed_whatever_the_answer(
    answer, says, removed, asked, monkeypatch
):
    ran = []

    def shell(command):
        ran.append(command[-1])
        return json.dumps({"username": "probe", "password": "x", **says})

    monkeypatch.setattr(release_ask, "shell", shell)
    with pytest.raises(release_ask.RefusedError):
        asked(Server(answer, (200, b"no form")), questions=["page"])

    assert ran == ["create", removed]


@pytest.mark.parametrize(("started_after_s", "behind"), [(60, False), (-60, True)])
@pytest.mark.parametrize("changed", ["etc/agenda.env", "unit", "unit.d/50-sandbox.conf"])
def test_release_is_behind_when_it_started_before_its_settings(
    tmp_path, changed, started_after_s, behind
):
    """Whoever wrote them may have been killed before the restart: nobody remembers it."""
    file = tmp_path / changed
    file.parent.mkdir(exist_ok=True)
    file.write_text("x")
    settings = [tmp_path / name for name in ("etc", "unit", "unit.d")]
    started_at = file.stat().st_ctime + started_after_s
    assert release_info.is_behind(settings, started_at=started_at) is behind


def test_when_a_unit_started_is_told_by_the_clock_of_files(monkeypatch):
    began_s = time.monotonic() - 5
    shown = subprocess.CompletedProcess([], 0, stdout=f"{began_s * 1e6:.0f}\n")
    monkeypatch.setattr(release_info.subprocess, "run", lambda *_, **__: shown)
    assert release_info.started_at("agenda@a.service") == pytest.approx(time.time() - 5, abs=1)


def test_a_unit_that_does_not_run_is_not_behind(monkeypatch):
    shown = subprocess.CompletedProcess([], 0, stdout="0\n")
    monkeypatch.setattr(release_info.subprocess, "run", lambda *_, **__: shown)
    assert release_info.started_at("agenda@a.service") == pytest.approx(time.time(), abs=1)
