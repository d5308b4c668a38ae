"""A restore that is killed and run again: what it had chosen comes back, what was there is kept."""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import re
import subprocess
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from provision.errors import OperatorError
from rollout import backups, reach

ROOT = Path(__file__).parents[2]
OLDER, CHOSEN, TODAY = ["a"], ["a", "b"], ["a", "b", "c", "d"]
SAFETY = "agenda_before_restore-"
BEGAN = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Killed(BaseException):
    """The operator's process is no more: nothing that it does reaches anybody from then on."""


def tables(rows):
    return {"task": {"rows": len(rows), "sum": "-".join(rows)}}


class World:
    """Containers as far as a restore sees them. Each command takes a second."""

    def __init__(self) -> None:
        self.at = BEGAN
        self.live = list(TODAY)
        self.scratch: list[str] = []
        self.bodies: dict[str, bytes] = {}
        self.pages: dict[str, str] = {}
        self.commands: list[str] = []
        self.dies_at = 0
        self.holders: dict[str, str] = {}
        self.counted = "3\n4\n"
        self.knows_safety_copies = True
        self.position: dict[str, object] = {}
        for days, rows in ((2, OLDER), (1, CHOSEN)):
            self.back_up("agenda", rows, at=BEGAN - timedelta(days=days))

    def back_up(self, kind, rows, *, at=None):
        name = f"{kind}-{(at or self.at).strftime(backups.STAMP)}"
        self.bodies[name] = json.dumps(rows).encode()
        return name

    def newest(self, kind):
        return max(name for name in self.bodies if name.startswith(f"{kind}-"))

    def manifest(self, name):
        body = self.bodies[name]
        told = {"name": name, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        return json.dumps({**told, **self.position, "tables": tables(json.loads(body))})

    # What `Hosts` offers.

    def first(self, group):
        return group

    def of(self, *groups):
        return [group for group in groups if group in {"database", "web", "rest"}]

    def lives(self, command):
        self.commands.append(command)
        if self.dies_at and len(self.commands) >= self.dies_at:
            raise Killed(command)
        self.at += timedelta(seconds=1)

    def run(self, host, *words, stdin="", check=True, **_options):
        command = " ".join(words)
        self.lives(f"{host}: {command.splitlines()[0][:60]}")
        if backups.LOCK in command:
            status, said = self.locked(host, *words[4:])
        elif words[0] == "mariadb":
            status, said = 0, self.counted
        else:
            status, said = self.done(host, command, stdin)
        assert status == 0 or not check, command
        return subprocess.CompletedProcess((), status, said, said if status else "")

    def locked(self, host, holder, run=None, force=""):
        if run is None:
            self.holders.pop(host, None)
        elif host in self.holders and not (force or self.holders[host].endswith(f"[{run}]")):
            return 1, self.holders[host]
        else:
            self.holders[host] = holder
        return 0, ""

    def done(self, host, command, stdin):
        if "> /etc/ctlv/maintenance" in command:
            self.pages[host] = stdin
        elif command.startswith("rm -f /etc/ctlv/maintenance"):
            self.pages.pop(host, None)
        elif "/etc/ctlv/maintenance" in command:
            return (0, self.pages[host]) if host in self.pages else (1, "")
        elif "/var/backups/agenda/*.json" in command:
            names = self.bodies if host == "database" else ()
            return 0, "\n".join(map(self.manifest, sorted(names)))
        elif "ctlv-backup.service" in command:
            self.back_up("agenda", self.live)
        elif "ctlv-backup make-safety" in command:
            if not self.knows_safety_copies:
                return 1, "backup: no such verb: 'make-safety'\n  Next: ctlv-backup make|take"
            name = self.back_up("agenda_before_restore", self.live)
            return 0, f"{name}: {len(self.live)} rows in 1 bytes\n"
        elif "ctlv-restore swap" in command:
            self.live, self.scratch = self.scratch, []
        elif "stat --format=%Y" in command:
            return 0, "0"
        return 0, ""

    def way(self, host, *words):
        return [host, *words]

    def stream(self, host, command, *, to):
        self.lives(f"{host}: {command}")
        to.write(self.bodies[re.search(r"([^/]+)\.age", command)[1]])

    def load(self, chosen, command):
        self.lives(command)
        self.scratch = json.loads(self.bodies[chosen.name])
        return tables(self.scratch)


@pytest.fixture
def begin(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(backups, "DRAIN_S", 0)
    monkeypatch.setenv("CTLV_RUN", "here:.lab/busy.lock")

    def one(world):
        mine = object.__new__(backups.Backups)
        mine.folder = mine.state = tmp_path_factory.mktemp("state")
        mine.hosts, mine.key = world, mine.folder / "backup-key"
        mine.key.touch()
        mine._decrypted_into = world.load
        # Who signed what is in test_backups.py.
        mine.distrusted = lambda _backup: ""
        return mine

    return one


def restore(mine, wanted="latest", *, unlock=False, to=None):
    words = {"wanted": wanted, "yes": True, "confirm": "", "journal": "complete", "rows": "kept"}
    words |= {"unlock": unlock, "to": to}
    return backups.act(argparse.Namespace(env="lab", verb="restore", **words), mine)


def killed(mine, world, step, wanted="latest", *, to=None):
    """Kill it as it begins its `step`th command; False when it has fewer."""
    world.commands, world.dies_at = [], step
    try:
        restore(mine, wanted, to=to)
    except Killed:
        return True
    finally:
        world.dies_at = 0
    return False


def kept(world):
    return [json.loads(world.bodies[name]) for name in world.bodies if name.startswith(SAFETY)]


def what_is_wrong(world, *, wanted=CHOSEN):
    wrong = [] if world.live == wanted else [f"{world.live} live"]
    wrong += [] if TODAY in kept(world) else ["what was there is not kept"]
    wrong += [f"{host} is locked" for host in world.holders]
    return wrong + [f"{host} is in maintenance" for host in world.pages]


def test_a_restore_keeps_what_was_there_under_a_name_of_its_own(begin, capsys):
    world = World()
    said = restore(begin(world))
    assert what_is_wrong(world) == []
    assert said.startswith(f"{world.newest('agenda')}: 2 rows came back")
    assert f"kept as {world.newest('agenda_before_restore')}" in capsys.readouterr().out


def test_what_a_host_erased_stays_erased_when_that_host_is_gone(begin):
    mine = begin(World())
    (mine.folder / "erased-replaced.ids").write_text("agenda.task 7\n")
    assert mine.journals() == ["agenda.task 7"]


class Streaming(World):
    """Its database has files of the stream."""

    def __init__(self) -> None:
        super().__init__()
        self.hours = {"20261009T110000Z": b"weeks ago", "README": b"none"}

    def done(self, host, command, stdin):
        if "stat --format='%n %s'" in command:
            return 0, "".join(f"{name} {len(body)}\n" for name, body in self.hours.items())
        if "/etc/ctlv/backup.json" in command:
            return 0, '{"keep_days": 14}'
        return super().done(host, command, stdin)

    def stream(self, host, command, *, to):
        name = command.rpartition("/")[2]
        self.lives(f"{host}: {command}")
        body = self.hours.get(name) or self.bodies[name.removesuffix(".age")]
        to.write(body)


def test_a_backup_brings_what_was_streamed_and_keeps_it_as_long_as_backups(begin):
    world = Streaming()
    mine = begin(world)
    for hour in (b"an hour", b"an hour and more"):
        world.hours["20261124T110000Z"] = hour
        mine.backup()
        (copy,) = mine.streamed.iterdir()
        assert (copy.name, copy.read_bytes()) == ("20261124T110000Z-database", hour)
    world.commands = []
    mine.backup()
    assert not any("stream/20261124" in command for command in world.commands)


def test_what_was_streamed_is_taken_from_here_where_no_host_has_it(begin):
    mine = begin(World())
    folder, hour = mine.state / "since", "20261124T110000Z"
    folder.mkdir()
    mine.streamed.mkdir()
    (mine.streamed / f"{hour}-database").write_bytes(b"an hour")
    mine.signers = mine.key
    chosen = mine.find("latest")
    with pytest.raises(OperatorError, match="what was written is known until"):
        mine.since(chosen, BEGAN + timedelta(days=1), folder, places=())
    assert (folder / f"{hour}-database-here").read_bytes() == b"an hour"


def test_a_restore_killed_at_any_step_goes_on_with_what_it_had_chosen(begin):
    """Run again with FROM=latest, after a nightly backup too: that one holds what is there now."""
    wrong, step = {}, 0
    while True:
        step, world = step + 1, World()
        mine = begin(world)
        if not killed(mine, world, step):
            break
        began, at = bool(world.pages), world.commands[-1]
        assert world.live in (TODAY, CHOSEN), at
        night = world.back_up("agenda", world.live) if began else ""
        restore(mine)
        if found := what_is_wrong(world):
            wrong[f"{step} {at}"] = found
        assert not night or night in world.bodies
    assert step > 20, "this restore has too few steps to be one"
    assert wrong == {}


class Since:
    """What was written after the chosen one: another row."""

    transactions = 1

    def __init__(self, world, until):
        self.world, self.until, self.known = world, until, until

    def feed(self, command):
        self.world.lives(" ".join(command))
        assert "ctlv-restore replay agenda agenda_restore" in command
        self.world.scratch = [*self.world.scratch, f"until {self.until:%H:%M}"]
        return ""


@pytest.fixture
def begin_streamed(begin):
    """With backups that the stream goes on from."""

    def one(world):
        world.position = {"position": {"chain": "20261101T000000Z", "gtid": "0-1-7"}}
        mine = begin(world)
        mine.since = lambda _chosen, until, _folder: Since(world, until)
        return mine

    return one


MOMENT = BEGAN - timedelta(hours=3)


def test_a_restore_to_a_moment_begins_with_the_last_backup_before_it(begin_streamed, capsys):
    world = World()
    said = restore(begin_streamed(world), "", to=MOMENT)
    assert world.live == [*CHOSEN, "until 09:00"]
    assert "with 1 transactions since then" in said
    told = capsys.readouterr().out
    assert "of 2026-11-24 09:00:00 UTC: 3 accounts and 4 tasks there now become" in told
    assert "and then the 1 transactions until that moment" in told
    earlier = World()
    restore(begin_streamed(earlier), "", to=BEGAN - timedelta(days=1, hours=3))
    assert earlier.live == [*OLDER, "until 09:00"]


def test_a_restore_to_a_moment_killed_at_any_step_goes_on_to_that_moment(begin_streamed):
    wrong, step = {}, 0
    while True:
        step, world = step + 1, World()
        mine = begin_streamed(world)
        if not killed(mine, world, step, "", to=MOMENT):
            break
        at = world.commands[-1]
        began = bool(world.pages)
        restore(mine, "latest" if began else "", to=None if began else MOMENT)
        if found := what_is_wrong(world, wanted=[*CHOSEN, "until 09:00"]):
            wrong[f"{step} {at}"] = found
    assert step > 20, "this restore has too few steps to be one"
    assert wrong == {}


def test_all_there_is_does_not_begin_with_what_may_hold_the_damage(begin_streamed):
    world = World()
    world.back_up("agenda", [str(number) for number in range(30)], at=BEGAN - timedelta(hours=2))
    world.back_up("agenda", ["a"], at=BEGAN - timedelta(hours=1))
    mine = begin_streamed(world)
    with pytest.raises(OperatorError, match=r"has 1 of the 30 task rows .*perhaps it holds"):
        restore(mine, "", to=backups.stream.LATEST)


def test_a_moment_that_no_streamed_backup_leads_to_is_refused(begin_streamed, begin):
    newest = max(World().bodies)
    for world, mine, words, problem in (
        (
            World(),
            begin_streamed,
            {"wanted": newest, "to": BEGAN - timedelta(days=1, hours=3)},
            newest,
        ),
        (
            World(),
            begin_streamed,
            {"wanted": "", "to": BEGAN - timedelta(days=9)},
            "no whole backup",
        ),
        (World(), begin, {"wanted": "", "to": MOMENT}, "no whole backup"),
        (World(), begin, {"wanted": newest, "to": MOMENT}, newest),
    ):
        with pytest.raises(OperatorError, match=problem):
            restore(mine(world), **words)
        assert (world.live, world.pages) == (TODAY, {})


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("latest", True),
        ("2026-11-29 14:05", True),
        ("2026-11-29T14:05:30+01:00", True),
        ("yesterday", False),
        ("14:05", False),
    ],
)
def test_a_moment_is_a_date_and_a_time(text, known):
    if known:
        assert backups.moment(text).tzinfo is UTC
    else:
        with pytest.raises(argparse.ArgumentTypeError, match=f"is '{text}', not .* 2026-11-29"):
            backups.moment(text)


def test_a_restore_killed_twice_still_ends_with_what_it_had_chosen(begin):
    wrong = {}
    for first, second in itertools.product(range(8, 22), range(8, 22, 3)):
        world = World()
        mine = begin(world)
        killed(mine, world, first)
        killed(mine, world, second)
        restore(mine)
        if found := what_is_wrong(world):
            wrong[first, second] = found
    assert wrong == {}


def test_a_restore_that_goes_on_keeps_no_second_copy_of_what_was_there(begin):
    world = World()
    mine = begin(world)
    step = 0
    while not any("load" in command for command in world.commands):
        world = World()
        mine = begin(world)
        killed(mine, world, step := step + 1)
    restore(mine)
    assert kept(world) == [TODAY]


@pytest.mark.parametrize("step", [15, 23, 24])
def test_whoever_names_another_backup_gets_that_one(begin, step):
    world = World()
    mine = begin(world)
    older = min(name for name in world.bodies if name.startswith("agenda-"))
    killed(mine, world, step)
    assert world.pages
    restore(mine, older)
    assert what_is_wrong(world, wanted=OLDER) == []


def test_a_restore_whose_maintenance_was_ended_by_hand_is_over(begin):
    """People wrote since: what is there is kept anew, and latest is what is latest now."""
    world = World()
    mine = begin(world)
    killed(mine, world, 23)
    world.pages.clear()
    world.live = [*TODAY, "e"]
    world.back_up("agenda", world.live)
    world.live = [*TODAY, "e", "f"]
    restore(mine)
    assert world.live == [*TODAY, "e"]
    assert [*TODAY, "e", "f"] in kept(world)


def test_where_one_host_serves_again_what_is_there_is_kept_anew(begin):
    """Killed while it ended the maintenance of one host after the other."""
    world = World()
    mine = begin(world)
    step = 0
    while world.pages.keys() != {"rest"}:
        world = World()
        mine = begin(world)
        assert killed(mine, world, step := step + 1)
    world.live = [*CHOSEN, "written since"]
    restore(mine)
    assert [*CHOSEN, "written since"] in kept(world)
    assert world.pages == {}


@pytest.mark.parametrize("step", [0, *range(14, 27, 3)])
def test_maintenance_that_somebody_switched_on_stays_on(begin, step):
    world = World()
    mine = begin(world)
    reach.put_under_maintenance(world, on=True)
    if step:
        killed(mine, world, step)
    restore(mine)
    assert world.live == CHOSEN
    assert world.pages.keys() == {"web", "rest"}
    assert not any("restore" in page for page in world.pages.values())


def test_what_an_older_version_kept_before_it_was_killed_is_not_the_latest(begin, capsys):
    """It named that like any backup, and left a maintenance page that tells since when."""
    world = World()
    mine = begin(world)
    world.pages = {"web": f"since {world.at.isoformat()} by root for a restore\n"}
    world.back_up("agenda", TODAY, at=world.at + timedelta(seconds=3))
    restore(mine)
    assert world.live == CHOSEN
    assert "older version" in capsys.readouterr().out


@pytest.mark.parametrize("fails", [False, True])
def test_whoever_may_change_tables_is_let_in_for_that_alone(begin, fails):
    world = World()
    done = world.done

    def watched(host, command, stdin):
        world.is_open = {"restart": True, "stop": False}.get(verb_of(command), world.is_open)
        if "agenda-migrate" in command.split():
            assert world.is_open
            assert not fails
        return done(host, command, stdin)

    world.is_open, world.done = False, watched
    with pytest.raises(AssertionError) if fails else nullcontext():
        restore(begin(world))
    assert [verb_of(command) for command in world.commands if verb_of(command)]
    assert not world.is_open


def verb_of(command):
    """Of the unit that lets in who may change tables; a logged command is cut."""
    found = re.search(r"systemctl (\w+) ctlv-migra", command)
    return found[1] if found else ""


def test_a_safety_copy_is_restored_by_name_only(begin):
    world = World()
    mine = begin(world)
    restore(mine)
    safety = world.newest("agenda_before_restore")
    restore(mine)
    assert world.live == CHOSEN
    restore(mine, safety)
    assert world.live == TODAY


def test_only_safety_copies_are_no_latest_backup(begin):
    world = World()
    world.bodies.clear()
    safety = world.back_up("agenda_before_restore", TODAY)
    with pytest.raises(OperatorError, match=f"'latest'\n  Next: .*safety copies.*{safety}"):
        restore(begin(world))


def test_hosts_that_know_no_safety_copies_yet_want_a_deploy_first(begin):
    world = World()
    world.knows_safety_copies = False
    with pytest.raises(OperatorError, match=r"Next: .*`make deploy`"):
        restore(begin(world))
    assert (world.live, world.pages) == (TODAY, {})


def test_safety_copies_are_listed_as_such(begin, capsys):
    world = World()
    safety = world.back_up("agenda_before_restore", TODAY)
    said = backups.act(argparse.Namespace(env="lab", verb="list"), begin(world))
    marked = [line for line in capsys.readouterr().out.splitlines() if "safety copy" in line]
    assert [line.split()[0] for line in marked] == [safety]
    assert said == "2 backups and 1 safety copies in 3 copies"


@pytest.fixture
def shrunk():
    """The night's backup was made after the loss."""
    world = World()
    for hour, rows in ((2, [f"r{number}" for number in range(40)]), (1, ["r1", "r2"])):
        world.back_up("agenda", rows, at=BEGAN - timedelta(hours=hour))
    return world


def test_the_latest_is_not_taken_when_it_may_hold_the_damage(begin, shrunk):
    name, before = sorted(shrunk.bodies, reverse=True)[:2]
    with pytest.raises(OperatorError) as refused:
        restore(begin(shrunk))
    assert f"{name}, has 2 of the 40 task rows of {before}" in str(refused.value)
    assert f"Next: name the one you want: FROM={name}, or an earlier one" in str(refused.value)
    assert (shrunk.live, shrunk.pages, shrunk.holders) == (TODAY, {}, {})
    restore(begin(shrunk), name)
    assert shrunk.live == ["r1", "r2"]


def test_the_list_and_the_backup_itself_say_that_rows_fell(begin, shrunk, capsys):
    name, before = sorted(shrunk.bodies, reverse=True)[:2]
    backups.listed(begin(shrunk))
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert f"2 tasks, 2 rows  database  ONLY 2 of the 40 task rows of {before}" in lines[name]
    assert "ONLY" not in lines[before]


def test_a_few_rows_may_come_and_go(begin):
    world = World()
    world.back_up("agenda", ["a"], at=BEGAN - timedelta(hours=1))
    assert begin(world).fallen() == {}


@pytest.mark.parametrize(
    ("counted", "words"),
    [
        ("3\n4\n", "3 accounts and 4 tasks there now become 0 accounts and 2 tasks"),
        ("", "rows that cannot be counted there now become"),
    ],
)
def test_a_restore_says_how_what_lives_differs_from_what_comes(begin, capsys, counted, words):
    world = World()
    world.counted = counted
    restore(begin(world))
    assert words in capsys.readouterr().out


def test_a_restore_waits_for_who_works_on_a_host_and_touches_nothing(begin):
    world = World()
    world.holders["rest"] = "anna@desk since 2026-11-24T12:00:00+0100: redeploy [desk:/x/busy.lock]"
    with pytest.raises(
        OperatorError, match=r"another run works on rest: anna@desk since .*redeploy"
    ):
        restore(begin(world))
    assert world.live == TODAY
    assert world.holders.keys() == {"rest"}, "what was free is given back"
    restore(begin(world), unlock=True)
    assert what_is_wrong(world) == []


@pytest.mark.parametrize(
    ("held", "asked", "taken"),
    [
        ("", ("", ""), True),
        ("a@b since x: deploy [here:busy]", ("here:busy", ""), True),
        ("a@b since x: deploy [there:busy]", ("here:busy", ""), False),
        ("a@b since x: deploy []", ("", ""), False),
        ("a@b 119 min ago: deploy []", ("", ""), False),
        ("a@b 121 min ago: deploy []", ("", ""), True),
        ("a@b since x: deploy [there:busy]", ("", "force"), True),
    ],
)
def test_the_lock_is_a_releases_own(tmp_path, held, asked, taken):
    lock = tmp_path / "lock"
    if held:
        lock.symlink_to(held)
        then = time.time() - 60 * int((re.findall(r"(\d+) min", held) or "0")[0])
        os.utime(lock, (then, then), follow_symlinks=False)
    script = backups.TAKE_LOCK.replace(backups.LOCK, str(lock))
    command = ["sh", "-c", script, "sh", "me", *asked]
    ended = subprocess.run(command, check=False, capture_output=True)
    assert (ended.returncode == 0) is taken
    assert str(lock.readlink()) == ("me" if taken else held)
    role = yaml.safe_load((ROOT / "ansible/roles/agenda/vars/main.yml").read_text("utf-8"))
    assert role["__agenda_lock"] == backups.LOCK
