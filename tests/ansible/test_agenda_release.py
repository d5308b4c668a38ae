"""Role agenda's steps around a release, run for real on folders of the test's own."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from ansible.template import trust_as_template

from tests.ansible.rendering import ROLES, ROOT, rendered, templar, value_of

UNITS = "etc/systemd/system"


def made(folder):
    """A host's /opt/agenda: releases a, b, c (good in that order), d (bad), e (half unpacked)."""
    home = folder / "opt"
    for name in "abcde":
        release = home / "releases" / name
        release.mkdir(parents=True)
        if name != "e":
            (release / ".complete").touch()
    for second, name in enumerate("abc"):
        mark = home / "releases" / name / "GOOD_RELEASE"
        mark.write_text("good\n")
        os.utime(mark, (1_700_000_000 + second, 1_700_000_000 + second))
    (home / "releases/d/BAD_RELEASE").write_text("bad\n")
    (home / "shared/python-1").mkdir(parents=True)
    (home / "shared/python-1/.complete").touch()
    wants = folder / UNITS / "multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "agenda@c.service").symlink_to("/nowhere/agenda@.service")
    serve(home, "c", before="b")
    return home


@pytest.fixture
def home(tmp_path):
    return made(tmp_path)


def serve(home, name, *, before):
    for link, to in (("current", name), ("previous", before)):
        (home / link).unlink(missing_ok=True)
        (home / link).symlink_to(home / "releases" / to)


def places(folder):
    """Where the role's own variables shall look instead of the host's folders."""
    return {
        "__agenda_home": f"{folder}/opt",
        "__agenda_units": f"{folder}/{UNITS}",
        "__agenda_settings": f"{folder}/etc/agenda",
        "__agenda_sockets": f"{folder}/run/agenda",
        "__agenda_lock": f"{folder}/lock",
        "__agenda_log": f"{folder}/log",
    }


def known(folder, *names, **given):
    """What the role's variables say of these folders: the command of know.yml, run without Ansible,
    which takes a second to start. That it runs it so is seen once.
    """
    asked = yaml.safe_load((ROLES / "agenda/tasks/know.yml").read_text())[0][
        "ansible.builtin.command"
    ]
    command = templar("agenda", **places(folder)).template(trust_as_template(asked))
    found = subprocess.run(
        shlex.split(command), capture_output=True, text=True, timeout=10, check=False
    )
    given = {
        **places(folder),
        "__agenda_found": {"stdout_lines": found.stdout.splitlines()},
        **given,
    }
    return {name: value_of("agenda", name, **given) for name in names}


class Played:
    """A run of steps of the role on several hosts, all of them this machine, a folder each."""

    def __init__(self, folder, hosts, *steps, shown=(), environment=None, **values):
        roles = [
            {"ansible.builtin.include_role": {"name": "agenda", "tasks_from": step, "public": True}}
            for step in ("know", *steps)
        ]
        shown = {name: "{{ " + name + " }}" for name in shown}
        tasks = [*roles, {"ansible.builtin.debug": {"msg": shown}}]
        plays = {"hosts": "all", "gather_facts": False, "any_errors_fatal": False, "tasks": tasks}
        (folder / "book.yml").write_text(yaml.safe_dump([plays]))
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        known = {"all": {"hosts": hosts, "vars": local}}
        (folder / "hosts.yml").write_text(yaml.safe_dump(known))
        # Extra variables, because they stand in for the role's own.
        values = places(f"{folder}/{{{{ inventory_hostname }}}}") | values
        program = Path(sys.executable).with_name("ansible-playbook")
        ended = subprocess.run(
            [program, "-i", folder / "hosts.yml", folder / "book.yml", "-e", json.dumps(values)],
            cwd=ROOT,
            env={
                **os.environ, "LC_ALL": "C.UTF-8", "CTLV_RUN": "",
                "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", **(environment or {}),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )  # fmt: skip
        said = json.loads(ended.stdout[ended.stdout.index("{") :])
        self.last = {
            host: task["hosts"][host]
            for task in said["plays"][0]["tasks"]
            for host in task["hosts"]
        }

    def shown(self, host):
        """The variables that were asked for."""
        assert not self.refusal(host)
        return self.last[host]["msg"]

    def refusal(self, host):
        """What stopped this host, or ""."""
        last = self.last[host]
        return last["msg"] if last.get("failed") else ""


def test_what_a_host_has_is_known_from_its_folders(tmp_path):
    names = ("__agenda_serving", "__agenda_previous", "__agenda_whole", "__agenda_good",
             "__agenda_bad", "__agenda_runtimes", "__agenda_instances")  # fmt: skip
    made(tmp_path / "one")
    played = Played(tmp_path, {"one": {}, "new": {}}, shown=names, agenda_release="f")
    assert set(map(str, played.shown("new").values())) == {"", "[]"}, "it never had a release"
    found = played.shown("one")
    assert found == known(tmp_path / "one", *names)
    assert found["__agenda_serving"] == "c"
    assert found["__agenda_previous"] == "b"
    assert sorted(found["__agenda_whole"]) == ["a", "b", "c", "d"]
    assert found["__agenda_good"] == ["c", "b", "a"]
    assert found["__agenda_bad"] == ["d"]
    assert found["__agenda_runtimes"] == ["python-1"]
    assert found["__agenda_instances"] == ["c"]


def test_the_release_before_is_never_a_bad_one(home, tmp_path):
    serve(home, "c", before="d")
    assert known(tmp_path, "__agenda_previous") == {"__agenda_previous": "b"}


def test_the_release_before_is_one_that_was_proved_where_there_is_any(home, tmp_path):
    (home / "releases/e/.complete").touch()
    serve(home, "c", before="e")
    assert known(tmp_path, "__agenda_previous") == {"__agenda_previous": "b"}


def test_the_last_good_releases_are_kept_whatever_came_after(home, tmp_path):
    serve(home, "c", before="a")
    for keep, forgettable in ((3, ["d"]), (5, [])):
        found = known(tmp_path, "__agenda_forgettable", agenda_release="c", agenda_keep=keep)
        assert found == {"__agenda_forgettable": forgettable}


HERE, THERE = "here:.lab/busy.lock", "there:.lab/busy.lock"
# The run that holds a host's lock, for how many seconds, and whether the next takes it over: one
# from HERE, then one by hand. The operator's own clock, five hours behind or an hour ahead, would
# say the contrary of those that are old.
HELD = {
    "killed": (HERE, 0, True),
    "another": (THERE, 0, False),
    "old": (THERE, 7300, True),
    "told": (THERE, 0, True),
}
HELD_BY_HAND = {"by-hand": ("", 0, False), "not-so-old": (THERE, 7100, False)}


def hold(folder, held):
    """The locks as earlier runs left them."""
    for name, (run, age_s, _) in held.items():
        lock = folder / name / "lock"
        lock.parent.mkdir()
        lock.symlink_to(value_of("agenda", "__agenda_holder", __agenda_run=run, agenda_action="x"))
        then = time.time() - age_s
        os.utime(lock, (then, then), follow_symlinks=False)
    return {name: {"agenda_unlock": name == "told"} for name in held}


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """Two runs over all locks: how each host ended, and its folder."""
    folder = tmp_path_factory.mktemp("locks")
    (folder / "free").mkdir()
    hosts = {"free": {}, **hold(folder, HELD)}
    by_hand = hold(folder, HELD_BY_HAND)
    environment = {"CTLV_RUN": HERE, "TZ": "America/New_York"}
    first = Played(folder, hosts, "lock", environment=environment)
    second = Played(folder, by_hand, "lock", environment={"TZ": "Europe/Paris"})
    return folder, {host: run.refusal(host) for run in (first, second) for host in run.last}


@pytest.mark.parametrize(
    ("name", "taken"), [(n, held[2]) for n, held in (HELD | HELD_BY_HAND).items()]
)
def test_the_lock_is_taken_over_only_from_a_run_that_has_ended_or_when_told(locked, name, taken):
    folder, refusals = locked
    if taken:
        assert refusals[name] == ""
        assert "takes over the lock" in (folder / name / "log").read_text()
    else:
        assert f"another run works on {name}: " in refusals[name]
        assert "UNLOCK=1" in refusals[name]
        assert not (folder / name / "log").exists()


def test_the_lock_names_its_holder_and_is_given_back(locked, tmp_path):
    folder, refusals = locked
    assert refusals["free"] == ""
    assert str((folder / "free/lock").readlink()).endswith(f"[{HERE}]")
    Played(folder, {"free": {}}, "unlock")
    assert not os.path.lexists(folder / "free/lock")


def test_what_is_noted_says_its_zone(locked):
    noted = (locked[0] / "told/log").read_text()
    at = datetime.fromisoformat(noted.partition(" ")[0])
    assert at.utcoffset() in {timedelta(hours=-5), timedelta(hours=-4)}, noted
    assert abs((datetime.now(UTC) - at).total_seconds()) < 300


def test_a_switch_is_renames_and_the_release_before_stays_at_hand(tmp_path):
    home = made(tmp_path / "one")
    (home / "current.sock").symlink_to("/run/agenda/c/web.sock")
    given = {"agenda_release": "b", "agenda_action": "rollback", "__agenda_instances": []}
    assert Played(tmp_path, {"one": {}}, "switch", **given).refusal("one") == ""
    assert (home / "current").readlink() == home / "releases/b"
    assert (home / "previous").readlink() == home / "releases/c"
    assert (home / "current/web.sock").readlink() == tmp_path / "one/run/agenda/b/web.sock"
    # What nginx of an older deployment asks follows too.
    assert (home / "current.sock").readlink() == home / "current/web.sock"
    assert (home / "rolled-back").readlink() == Path("b")
    assert "rollback b: serves after c" in (tmp_path / "one/log").read_text()


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
    names = ("__agenda_started_at", "__agenda_set_at")
    found = known(tmp_path, *names, agenda_release="c")
    assert (found["__agenda_set_at"] > found["__agenda_started_at"]) is is_stale, found


def test_a_rollback_goes_back_once(tmp_path):
    hosts = {
        "first": {},
        "again": {},
        "named": {"rollback_release": "a"},
        "bad": {"rollback_release": "d"},
    }
    homes = {name: made(tmp_path / name) for name in hosts}
    serve(homes["again"], "b", before="c")
    (homes["again"] / "rolled-back").symlink_to("b")
    hosts = {name: {"agenda_action": "rollback", **given} for name, given in hosts.items()}
    played = Played(tmp_path, hosts, "choose", shown=["agenda_release"])
    chosen = {name: played.shown(name)["agenda_release"] for name in ("first", "again", "named")}
    assert chosen == {"first": "b", "again": "b", "named": "a"}
    assert "give RELEASE= one of c, b, a" in played.refusal("bad")


# Notes what it is asked, and who serves at that moment; it fails at what `fails` holds.
SYSTEMCTL = """#!/bin/sh
echo "$* $(basename "$(readlink {home}/current)")" >> {home}/asked
! grep -qxF -- "$*" {home}/fails
"""


def restarted(home, *, fails=""):
    """What systemd was asked while c was started anew, with who served at that moment."""
    (home / "bin").mkdir()
    (home / "fails").write_text(f"{fails}\n")
    programs = {
        "systemctl": SYSTEMCTL.format(home=home),
        "sleep": "#!/bin/sh\n",
        "restart": rendered(
            "agenda", "agenda-restart.j2", __agenda_home=str(home), __agenda_sockets="/run/agenda"
        ),
    }
    for name, text in programs.items():
        (home / "bin" / name).write_text(text)
        (home / "bin" / name).chmod(0o755)
    environment = {"PATH": f"{home}/bin:{os.environ['PATH']}"}
    ended = subprocess.run([home / "bin/restart", "c"], env=environment, timeout=20, check=False)
    asked = [line.rsplit(" ", 1) for line in (home / "asked").read_text().splitlines()]
    return ended.returncode, {words: serves for words, serves in asked if "agenda@" in words}


def test_a_release_that_reads_other_settings_is_never_asked_while_it_restarts(home):
    assert restarted(home) == (0, {
        "enable --quiet agenda@c.double.service": "c",
        "restart agenda@c.double.service": "c",
        "restart agenda@c.service": "c.double",
        "disable --quiet --now agenda@c.double.service": "c",
    })  # fmt: skip
    assert (home / "current").readlink() == home / "releases/c"
    assert sorted(path.name for path in (home / "releases").iterdir()) == [*"abcde"]


def test_where_a_release_cannot_read_other_settings_who_serves_goes_on(home):
    assert restarted(home, fails="restart agenda@c.double.service")[0] != 0
    assert (home / "current").readlink() == home / "releases/c"


def test_where_a_restart_fails_its_double_serves_until_the_next_run_ends_it(home, tmp_path):
    assert restarted(home, fails="restart agenda@c.service")[0] != 0
    found = known(tmp_path, "__agenda_serving", "__agenda_good", agenda_release="c")
    assert found == {"__agenda_serving": "c.double", "__agenda_good": [*"cba"]}
    assert (home / "releases/c.double/web.sock").readlink() == Path("/run/agenda/c.double/web.sock")
    assert (home / "releases/c.double/app").readlink() == Path("../c/app")


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
def test_the_cause_is_what_was_said_last(lines, told, cause):
    refusal = {"told": told, "step": "start", "unit": True}
    given = {"__agenda_journal": {"stdout_lines": lines}, "agenda_refusal": refusal}
    assert value_of("agenda", "__agenda_cause", **given) == cause
