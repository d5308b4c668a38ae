"""A secret is rotated while processes use it: killed or not, none meets one it does not know."""

from __future__ import annotations

import argparse
import base64
import contextlib
import itertools
import re
from datetime import UTC, datetime, timedelta

import pytest

from provision.environment import state_folder
from provision.errors import OperatorError
from rollout import rotate, secrets
from tests.certificates import authority

NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)


class Killed(BaseException):
    pass


class World:
    """Two hosts that read the vault when they are played to, and the database. All is counted: the
    nth change of anything is the last of a killed run.
    """

    def __init__(self, kind):
        self.name, self.dies_at, self.changes = rotate.NAMES[kind], 0, itertools.count(1)
        self.database = {self.vault[self.name]}
        self.read = {
            "first": self.vault[self.name].split(),
            "second": self.vault[self.name].split(),
        }
        self.generation = ""

    @property
    def vault(self):
        return secrets.opened("lab").values

    def lives(self):
        if next(self.changes) == self.dies_at:
            raise Killed

    def play(self, verb, environment, told):
        assert (verb, environment) == ("redeploy", "lab")
        assert told == {"agenda_action": "rotate", "agenda_force": True}
        generation = self.vault[secrets.GENERATION]
        for host in self.read:
            self.lives()
            # A host starts the code anew only for another generation.
            if self.vault[self.name].split() != self.read[host]:
                assert generation != self.generation or host == "second"
            self.read[host] = self.vault[self.name].split()
            self.all_know_each_other()
        self.generation = generation

    def all_know_each_other(self):
        first, second = self.read.values()
        if "password" in self.name:
            assert {first[0], second[0]} <= self.database
        else:
            assert first[0] in second
            assert second[0] in first

    # What `Hosts` offers.

    def __call__(self, _environment):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def first(self, group):
        return group

    def run(self, host, command, stdin):
        assert (host, command) == ("database", "mariadb -NB")
        self.lives()
        if "ALTER USER" in stdin:
            assert stdin.count("ALTER USER") == 2
            self.database = set(re.findall(r"PASSWORD\('(.*?)'\)", stdin))
            self.all_know_each_other()
        who = rotate.ACCOUNTS[next(k for k, name in rotate.NAMES.items() if name == self.name)]
        known = f"{who}\t198.18.112.156\n{who}\t198.18.112.161\nroot\tlocalhost\n"
        said = "" if "ALTER USER" in stdin else known
        return argparse.Namespace(stdout=said)


@pytest.fixture
def begin(tmp_path, monkeypatch):
    monkeypatch.setenv("CTLV_LAB_STATE", str(tmp_path))
    write = secrets.Vault.write

    def one(kind):
        (tmp_path / "vault.yml").unlink(missing_ok=True)
        vault = secrets.opened("lab")
        write(vault, **{name: make() for name, make in secrets.SECRETS.items()})
        world = World(kind)
        monkeypatch.setattr(rotate, "play", world.play)
        monkeypatch.setattr(rotate, "Hosts", world)
        monkeypatch.setattr(
            secrets.Vault, "write", lambda self, **new: (world.lives(), write(self, **new))
        )
        return world

    return one


def run(kind, *, now=NOW, force=False):
    return rotate.rotate(argparse.Namespace(env="lab", what=kind, force=force), now=now)


@pytest.mark.parametrize("kind", rotate.NAMES)
def test_a_rotation_killed_at_any_step_and_run_again_ends_with_the_new_one_everywhere(begin, kind):
    for step in itertools.count(1):
        world = begin(kind)
        before, world.dies_at = world.vault[world.name], step
        try:
            run(kind)
        except Killed:
            run(kind)
            if "key" in kind and world.vault[f"{world.name}_step"] == rotate.OVERLAP:
                assert world.vault[world.name].split()[1:] == [before]
        else:
            break
        used = world.vault[world.name].split()[0]
        assert used != before
        assert [read[0] for read in world.read.values()] == [used, used]
        if "password" in world.name:
            assert world.database == {used}
            assert before not in world.vault.values()
    assert step > 5


@pytest.mark.parametrize("kind", rotate.KEYS)
def test_what_was_made_with_the_key_before_counts_until_nothing_of_it_can_be_left(begin, kind):
    world = begin(kind)
    before = world.vault[world.name]
    run(kind)
    late = NOW + rotate.KEYS[kind]
    with pytest.raises(OperatorError, match=f"until {late:%Y-%m-%d}\n  Next: .*FORCE=1"):
        run(kind, now=late - timedelta(minutes=1))
    assert all(read[1:] == [before] for read in world.read.values())
    assert run(kind, now=late).endswith("accepted no longer")
    assert all(len(read) == 1 for read in world.read.values())


def test_an_overlap_whose_end_was_killed_begins_no_other_rotation(begin):
    late = NOW + timedelta(days=400)
    for step in itertools.count(1):
        world = begin("secret-key")
        run("secret-key")
        used, world.dies_at, world.changes = world.read["first"][:1], step, itertools.count(1)
        try:
            run("secret-key", now=late)
        except Killed:
            run("secret-key", now=late)
        else:
            break
        assert list(world.read.values()) == [used, used]
        assert world.vault[world.name].split() == used
    assert step > 3


def test_backups_are_made_for_the_new_key_and_the_ones_before_still_open(begin, monkeypatch):
    begin("database")
    played = []
    monkeypatch.setattr(rotate, "play", lambda *told: played.append(told))
    secrets.backup_key("lab")
    state = state_folder("lab")
    public, private = state / "backup-key.pub", state / "backup-key"
    before, of_another = public.read_text().strip(), "age1another"
    public.write_text(f"{before}\n{of_another}\n")

    run("backup-key")

    new, *others = public.read_text().split()
    assert new != before
    assert others == [of_another]
    assert secrets.age_keygen("-y", str(private)).decode().split() == [new, before]
    assert played == [("keys", "lab", {})]
    # Killed between the two files: no third key.
    public.write_text(f"{before}\n{of_another}\n")
    run("backup-key")
    assert public.read_text().split() == [new, of_another]


def test_status_says_how_old_each_is_and_what_was_interrupted(begin):
    begin("secret-key")
    assert rotate.ages("lab", now=NOW) == ["age in days: "]  # nothing of it is on this machine
    state = state_folder("lab")
    secrets.backup_key("lab")
    (state / "tls").mkdir()
    (state / "tls/ca.pem").touch()
    (state / "own.token").touch()
    run("secret-key")
    line, *more = rotate.ages("lab", now=NOW + timedelta(days=3))
    told = dict(each.rsplit(" ", 1) for each in line.removeprefix("age in days: ").split(", "))
    assert told["secret-key"] == "3"
    assert {*told} == {*rotate.NAMES, *("host-keys", "authority", "backup-key", "api-token")}
    assert more == []
    late = rotate.ages("lab", now=NOW + timedelta(days=31))[1:]
    assert late == ["the secret-key before can go now: `make rotate WHAT=secret-key`"]


class Machines:
    """Two hosts with their SSH keys, the operator, and the first host that takes the other's
    backups: at each moment who comes by SSH knows the key that is shown.
    """

    def __init__(self):
        self.dies_at, self.changes, self.made = 0, itertools.count(1), itertools.count(1)
        self.shown = {host: self.key() for host in ("web", "database")}
        self.used, self.next, self.known = [], {}, {host: {key} for host, key in self.shown.items()}
        self.keeper = dict(self.known)
        self.containers = [
            argparse.Namespace(host="web", jumps=()),
            argparse.Namespace(host="database", jumps=("web",)),
        ]
        self.desired = self

    def key(self):
        return f"ssh-ed25519 {base64.b64encode(str(next(self.made)).encode()).decode()}"

    def lives(self):
        for host, key in self.shown.items():
            assert key in self.known[host]
            assert key in self.keeper[host]
        if next(self.changes) == self.dies_at:
            raise Killed

    def run(self, host, command):
        self.lives()
        if command == rotate.MAKE_HOST_KEYS:
            return argparse.Namespace(stdout=f"{self.next.setdefault(host, self.key())}\n")
        if command == rotate.USE_HOST_KEYS:
            self.used.append(host)
            self.shown[host] = self.next[host]
        else:
            assert command == rotate.FORGET_HOST_KEYS
            self.next.pop(host, None)
        return None

    def play(self, verb, *_):
        assert verb == "keys"
        self.lives()
        self.keeper = dict(self.known)

    def __call__(self, *_, **__):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    # What `Ssh` offers.

    def known_keys(self, host):
        return frozenset(self.known[host])

    def record(self, host, keys):
        self.lives()
        self.known[host] = set(keys)

    def trust(self, wanted, fingerprint, *, timeout_s):
        assert timeout_s > 0
        assert rotate.fingerprint(self.shown[wanted.host]) == fingerprint
        self.record(wanted.host, [self.shown[wanted.host]])


def test_a_host_that_says_no_key_is_not_recorded_with_what_it_says(begin, monkeypatch):
    monkeypatch.setattr(rotate, "load", lambda *_, **__: None)
    monkeypatch.setattr(rotate.credentials, "site", lambda *_, **__: None)
    begin("database")
    machines = Machines()
    machines.next["web"] = "ssh-keygen: generating new host keys: ED25519\nssh-ed25519 AAAA"
    for name in ("Hosts", "Ssh", "desired"):
        monkeypatch.setattr(rotate, name, machines)
    with pytest.raises(OperatorError, match="web did not say its new host key\n  Next: "):
        run("host-keys")
    assert machines.known == {host: {key} for host, key in machines.shown.items()}


def test_host_keys_are_known_before_they_are_shown_wherever_a_run_is_killed(begin, monkeypatch):
    monkeypatch.setattr(rotate, "load", lambda *_, **__: None)
    monkeypatch.setattr(rotate.credentials, "site", lambda *_, **__: None)
    for step in itertools.count(1):
        begin("database")
        machines = Machines()
        before, machines.dies_at = dict(machines.shown), step
        for name in ("Hosts", "Ssh", "desired"):
            monkeypatch.setattr(rotate, name, machines)
        monkeypatch.setattr(rotate, "play", machines.play)
        tls = state_folder("lab") / "tls"
        tls.mkdir(exist_ok=True)
        (tls / "web.key").touch()
        try:
            run("host-keys")
        except Killed:
            run("host-keys")
        else:
            # Nobody comes through a host whose sshd has just begun to read its keys.
            assert machines.used == ["database", "web"]
            (tls / "ca.pem").touch()
            (told,) = rotate.ages("lab", now=NOW + timedelta(days=2))
            assert "host-keys 2" in told.split(", ")
            break
        assert not machines.shown.items() & before.items()
        assert machines.known == {host: {key} for host, key in machines.shown.items()}
        assert machines.keeper == machines.known
        assert not machines.next
        assert not (tls / "web.key").exists()
    assert step > 10


class Believers:
    """Two hosts with the certificates that a deployment brings them: at each moment each believes
    whoever signed the other's.
    """

    def __init__(self, state):
        self.state, self.dies_at, self.changes = state, 0, itertools.count(1)
        (state / "tls").mkdir()
        self.make(state, environment="lab", password_command="")
        self.write_fingerprint()
        self.first = secrets.certificates(state / "tls/ca.pem")[0]
        self.signed = dict.fromkeys(("web", "database"), self.first)
        self.believed = {host: [self.first] for host in self.signed}

    def make(self, state, **_):
        if not (state / "tls/ca.pem").exists():
            (state / "tls").mkdir(parents=True, exist_ok=True)
            authority(state / "tls")

    def write_fingerprint(self):
        known = secrets.fingerprint_of(self.state / "tls/ca.pem")
        (self.state / "certificate-authority.txt").write_text(f"{known}\n")

    def lives(self):
        if next(self.changes) == self.dies_at:
            raise Killed

    def play(self, verb, environment, told):
        assert (verb, environment, told) == ("keys", "lab", {})
        # Of the key of another certificate, of another authority than the inventory's, it says no.
        secrets.need_authority(
            self.state / "tls",
            known_in=self.state / "certificate-authority.txt",
            password=None,
            may_make=False,
            may_replace=False,
        )
        for host in self.signed:
            self.lives()
            self.believed[host] = secrets.certificates(self.state / "tls/ca.pem")
            self.signed[host] = self.believed[host][0]
            for believed in self.believed.values():
                assert {*self.signed.values()} <= {*believed}


@pytest.fixture
def believers(tmp_path, monkeypatch):
    def one(tls):
        state = tmp_path / str(next(numbers))
        monkeypatch.setenv("CTLV_LAB_STATE", str(state))
        state.mkdir()
        world = Believers(state)
        write = rotate.files.write_atomically
        monkeypatch.setattr(secrets, "make_authority", world.make)
        monkeypatch.setattr(rotate, "play", world.play)
        hosts = {"web": {"agenda_tls": tls}}
        monkeypatch.setattr(rotate, "load", lambda *_, **__: argparse.Namespace(hosts=hosts))

        def counted(*arguments, **options):
            world.lives()
            write(*arguments, **options)

        with monkeypatch.context() as patched:
            patched.setattr(rotate.files, "write_atomically", counted)
            yield world

    numbers = itertools.count(1)
    return contextlib.contextmanager(one)


def test_every_host_believes_every_other_wherever_a_run_for_a_new_authority_is_killed(believers):
    for step in itertools.count(1):
        with believers("off") as world:
            world.dies_at = step
            try:
                run("authority")
            except Killed:
                run("authority")
            else:
                break
            (new,) = secrets.certificates(world.state / "tls/ca.pem")
            assert new != world.first
            assert [*world.believed.values()] == [[new], [new]]
            assert not (world.state / "tls/next").exists()
    assert step > 8


def test_a_new_authority_signs_when_browsers_had_time_to_learn_it(believers):
    with believers("internal") as world:
        secrets.opened("lab").write(**{secrets.GENERATION: "1"})
        assert "give browsers" in run("authority")
        assert {*world.signed.values()} == {world.first}
        assert all(len(believed) == 2 for believed in world.believed.values())
        assert rotate.ages("lab", now=NOW)[1:] == [
            "the rotation of authority has not ended: `make rotate WHAT=authority`"
        ]
        assert "the new one signs" in run("authority")
        assert world.first not in world.signed.values()
    with believers("internal") as world:
        assert "the new one signs" in run("authority", force=True)
