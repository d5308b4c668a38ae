"""Role agenda's steps around a release, run for real on folders of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
UNITS = "etc/systemd/system"


@pytest.fixture
def home(tmp_path):
    """/opt/agenda with releases a, b, c (good in that order), d (bad) and e (half unpacked)."""
    home = tmp_path / "opt"
    for name in "abcde":
        folder = home / "releases" / name
        folder.mkdir(parents=True)
        if name != "e":
            (folder / ".complete").touch()
    for second, name in enumerate("abc"):
        mark = home / "releases" / name / "GOOD_RELEASE"
        mark.write_text("good\n")
        os.utime(mark, (1_700_000_000 + second, 1_700_000_000 + second))
    (home / "releases/d/BAD_RELEASE").write_text("bad\n")
    (home / "shared/python-1").mkdir(parents=True)
    (home / "shared/python-1/.complete").touch()
    wants = tmp_path / UNITS / "multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "agenda@c.service").symlink_to("/nowhere/agenda@.service")
    serve(home, "c", before="b")
    return home


def serve(home, name, *, before):
    for link, to in (("current", name), ("previous", before)):
        (home / link).unlink(missing_ok=True)
        (home / link).symlink_to(home / "releases" / to)


def play(tmp_path, *steps, shown=(), check=True, environment=None, **variables):
    """Run steps of the role on a host "one", this machine; what `shown` are then, or how it ended.

    The values are extra variables, because they stand in for the role's own.
    """
    told = tmp_path / "told.json"
    shown_then = {name: "{{ " + name + " }}" for name in shown}
    tasks = [
        {"ansible.builtin.include_role": {"name": "agenda", "tasks_from": step, "public": True}}
        for step in ("know", *steps)
    ]
    tasks.append({"ansible.builtin.copy": {"content": shown_then, "dest": str(told)}})
    book = tmp_path / "book.yml"
    book.write_text(yaml.safe_dump([{"hosts": "web", "gather_facts": False, "tasks": tasks}]))
    inventory = tmp_path / "hosts.yml"
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory.write_text(yaml.safe_dump({"web": {"hosts": {"one": local}}}))
    values = {
        "__agenda_home": str(tmp_path / "opt"),
        "__agenda_units": str(tmp_path / UNITS),
        "__agenda_lock": str(tmp_path / "lock"),
        "__agenda_log": str(tmp_path / "log"),
        **variables,
    }
    program = Path(sys.executable).with_name("ansible-playbook")
    ended = subprocess.run(
        [program, "-i", inventory, book, "--extra-vars", json.dumps(values)],
        cwd=ROOT,
        env={**os.environ, "LC_ALL": "C.UTF-8", "CTLV_RUN": "", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if not check:
        return ended
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(told.read_text())


def test_what_a_host_has_is_known_from_its_folders(home, tmp_path):
    found = play(
        tmp_path,
        agenda_release="f",
        shown=["__agenda_serving", "__agenda_previous", "__agenda_whole", "__agenda_good",
               "__agenda_bad", "__agenda_runtimes", "__agenda_instances"],
    )  # fmt: skip
    assert found["__agenda_serving"] == "c"
    assert found["__agenda_previous"] == "b"
    assert sorted(found["__agenda_whole"]) == ["a", "b", "c", "d"]
    assert found["__agenda_good"] == ["c", "b", "a"]
    assert found["__agenda_bad"] == ["d"]
    assert found["__agenda_runtimes"] == ["python-1"]
    assert found["__agenda_instances"] == ["c"]


def test_the_release_before_is_never_a_bad_one(home, tmp_path):
    serve(home, "c", before="d")
    assert play(tmp_path, shown=["__agenda_previous"])["__agenda_previous"] == "b"


def test_the_release_before_is_one_that_was_proved_where_there_is_any(home, tmp_path):
    (home / "releases/e/.complete").touch()
    serve(home, "c", before="e")
    assert play(tmp_path, shown=["__agenda_previous"])["__agenda_previous"] == "b"


def test_the_last_good_releases_are_kept_whatever_came_after(home, tmp_path):
    serve(home, "c", before="a")
    found = play(tmp_path, agenda_release="c", agenda_keep=3, shown=["__agenda_forgettable"])
    assert found["__agenda_forgettable"] == ["d"]
    found = play(tmp_path, agenda_release="c", agenda_keep=5, shown=["__agenda_forgettable"])
    assert found["__agenda_forgettable"] == []


def test_a_host_that_never_had_a_release_has_none(tmp_path):
    found = play(
        tmp_path,
        agenda_release="a",
        shown=["__agenda_serving", "__agenda_previous", "__agenda_good"],
    )
    assert found == {"__agenda_serving": "", "__agenda_previous": "", "__agenda_good": []}


def test_the_lock_names_its_holder_and_is_given_back(tmp_path):
    assert play(tmp_path, "lock", shown=["__agenda_locked['rc']"])
    again = play(tmp_path, "lock", check=False)
    assert again.returncode != 0
    assert "another run works on one: " in again.stdout
    assert "UNLOCK=1" in again.stdout
    play(tmp_path, "unlock")
    assert not os.path.lexists(tmp_path / "lock")


@pytest.mark.parametrize(
    ("before", "after", "taken"),
    [
        ({"CTLV_RUN": "here:.lab/busy.lock"}, {"CTLV_RUN": "here:.lab/busy.lock"}, True),
        ({"CTLV_RUN": "here:.lab/busy.lock"}, {"CTLV_RUN": "there:.lab/busy.lock"}, False),
        ({}, {}, False),
    ],
    ids=["a run of ours that was killed", "another machine's", "two by hand"],
)
def test_the_lock_is_taken_over_only_from_a_run_that_has_ended(before, after, taken, tmp_path):
    play(tmp_path, "lock", environment=before)
    ended = play(tmp_path, "lock", environment=after, check=False)
    assert (ended.returncode == 0) is taken, ended.stdout
    assert ("takes over the lock" in ((tmp_path / "log").read_text() if taken else "")) is taken


@pytest.mark.parametrize(
    ("age_s", "zone", "taken"),
    # Where the operator's own clock, an hour ahead or five behind, would say the contrary.
    [(7300, "America/New_York", True), (7100, "Europe/Paris", False)],
)
def test_the_lock_is_taken_over_when_no_run_can_be_that_old(tmp_path, zone, age_s, taken):
    play(tmp_path, "lock")
    then = time.time() - age_s
    os.utime(tmp_path / "lock", (then, then), follow_symlinks=False)
    ended = play(tmp_path, "lock", environment={"TZ": zone}, check=False)
    assert (ended.returncode == 0) is taken, ended.stdout


def test_the_lock_is_taken_over_when_told(tmp_path):
    play(tmp_path, "lock")
    play(tmp_path, "lock", agenda_unlock=True)


def test_what_is_noted_says_its_zone(tmp_path):
    play(tmp_path, "lock")
    play(tmp_path, "lock", agenda_unlock=True, environment={"TZ": "America/New_York"})
    noted = (tmp_path / "log").read_text()
    at = datetime.fromisoformat(noted.partition(" ")[0])
    assert at.utcoffset() in {timedelta(hours=-5), timedelta(hours=-4)}, noted
    assert abs((datetime.now(UTC) - at).total_seconds()) < 300


def test_a_switch_is_renames_and_the_release_before_stays_at_hand(home, tmp_path):
    (home / "current.sock").symlink_to("/run/agenda/c/web.sock")
    play(tmp_path, "switch", agenda_release="b", agenda_action="rollback", __agenda_instances=[])
    assert (home / "current").readlink() == home / "releases/b"
    assert (home / "previous").readlink() == home / "releases/c"
    assert (home / "current/web.sock").readlink() == Path("/run/agenda/b/web.sock")
    # What nginx of an older deployment asks follows too.
    assert (home / "current.sock").readlink() == home / "current/web.sock"
    assert (home / "rolled-back").readlink() == Path("b")
    assert "rollback b: serves after c" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("what_is_newer", "is_stale"),
    [("etc/agenda/agenda.env", True), (f"{UNITS}/agenda@.service.d/50-sandbox.conf", True),
     (f"{UNITS}/other.service", False), ("opt/releases/c/GOOD_RELEASE", False)],
)  # fmt: skip
def test_a_release_is_stale_when_its_settings_are_newer_than_its_socket(
    home, tmp_path, what_is_newer, is_stale
):
    for path in ("etc/agenda/agenda.env", f"{UNITS}/agenda@.service.d/50-sandbox.conf",
                 "run/agenda/c/web.sock", what_is_newer):  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
        time.sleep(0.02)
    found = play(
        tmp_path, agenda_release="c", __agenda_settings=str(tmp_path / "etc/agenda"),
        __agenda_sockets=str(tmp_path / "run/agenda"),
        shown=["__agenda_started_at", "__agenda_set_at"],
    )  # fmt: skip
    assert (found["__agenda_set_at"] > found["__agenda_started_at"]) is is_stale, found


def test_a_rollback_goes_back_once(home, tmp_path):
    chosen = play(tmp_path, "choose", agenda_action="rollback", shown=["agenda_release"])
    assert chosen["agenda_release"] == "b"
    serve(home, "b", before="c")
    (home / "rolled-back").symlink_to("b")
    chosen = play(tmp_path, "choose", agenda_action="rollback", shown=["agenda_release"])
    assert chosen["agenda_release"] == "b"
    chosen = play(
        tmp_path, "choose", agenda_action="rollback", rollback_release="a", shown=["agenda_release"]
    )
    assert chosen["agenda_release"] == "a"
    refused = play(tmp_path, "choose", agenda_action="rollback", rollback_release="d", check=False)
    assert "give RELEASE= one of c, b, a" in refused.stdout


@pytest.mark.parametrize(
    ("lines", "told", "cause"),
    [
        (["  File", "ValueError: one", "django.X.ImproperlyConfigured: no key", "systemd: no"],
         "Unable to start service", "django.X.ImproperlyConfigured: no key"),
        (["agenda@x.service: start operation timed out. Terminating."], "Unable to start",
         "agenda@x.service: start operation timed out. Terminating."),
        ([], "ERROR x\nTraceback\n  File\nLookupError: no agenda", "LookupError: no agenda"),
        ([], "Status code was 503\n and not [200]", "Status code was 503 and not [200]"),
    ],
    ids=["the last exception", "systemd's word", "a command's last word", "what Ansible said"],
)  # fmt: skip
def test_the_cause_is_what_was_said_last(lines, told, cause, tmp_path):
    found = play(
        tmp_path,
        agenda_release="f",
        __agenda_journal={"stdout_lines": lines},
        agenda_refusal={"told": told, "step": "start", "unit": True},
        shown=["__agenda_cause"],
    )
    assert found["__agenda_cause"] == cause
