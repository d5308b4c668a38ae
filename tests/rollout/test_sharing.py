"""What operators share opens with each one's own key; a bare machine needs the escrow key alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from argparse import Namespace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from provision.errors import OperatorError
from rollout import escrow, operators, secrets
from tests.certificates import authority_where_none_is

ENV = "srv-px5"
OURS = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def quick_authority(monkeypatch):
    monkeypatch.setattr(secrets, "make_authority", authority_where_none_is)


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone that both machines have; git would carry it."""
    folder = tmp_path / "clone"
    (folder / f"inventory/{ENV}").mkdir(parents=True)
    (folder / f"inventory/{ENV}/hosts.yml").write_text("all: {}\n")
    (folder / "ansible").mkdir()
    shutil.copy(OURS / "ansible/vault-client", folder / "ansible")
    for module in (secrets, escrow):
        monkeypatch.setattr(module, "ROOT", folder)
    monkeypatch.setattr(operators, "own_keys", lambda _: [key_of(Path(os.environ["HOME"]))])
    monkeypatch.setattr(operators.getpass, "getuser", lambda: Path(os.environ["HOME"]).name)
    return folder


def key_of(home):
    return " ".join((home / ".ssh/id_ed25519.pub").read_text().split()[:2])


@pytest.fixture
def sit_at(tmp_path, monkeypatch, clone):
    def sit(name):
        """The machine of that operator, whose key is made the first time."""
        home = tmp_path / name
        if not home.exists():
            (home / ".ssh").mkdir(parents=True)
            words = ["-q", "-t", "ed25519", "-N", "", "-f", home / ".ssh/id_ed25519"]
            subprocess.run(["ssh-keygen", *words], check=True, timeout=20)
        monkeypatch.setenv("HOME", str(home))
        return home

    return sit


def make():
    return secrets.make(ENV)


def ask(verb, **words):
    return operators.act(Namespace(env=ENV, verb=verb, **words))


def values():
    return secrets.opened(ENV).values


def said_to_ansible(clone):
    return subprocess.run(
        [clone / "ansible/vault-client", "--vault-id", ENV],
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    ).stdout.strip()


@pytest.fixture
def two(sit_at, clone):
    """Anne made the secrets and let Ben in."""
    anne, ben = sit_at("anne"), sit_at("ben")
    sit_at("anne")
    make()
    ask("add", name="ben", key=key_of(ben))
    return anne, ben


def test_each_operators_own_key_opens_the_vault_and_no_password_lies_in_clear(two, clone, sit_at):
    anne, _ = two
    known = values()
    password = said_to_ansible(clone)
    assert not list(anne.rglob("*.vault"))
    sit_at("ben")
    assert (values(), said_to_ansible(clone)) == (known, password)
    sit_at("carl")
    with pytest.raises(OperatorError, match=r"no key of this machine opens .*\n  Next: ") as error:
        values()
    assert len(str(error.value).splitlines()) == 2
    assert said_to_ansible(clone).startswith("no password in ")


def test_a_second_machine_gets_all_that_it_needs_from_its_own_key(two, sit_at):
    anne, ben = two
    sit_at("ben")
    assert "from the other operators: backup-key, tls/ca.key, tls/ca.pem" in make()
    for name in ("backup-key", "tls/ca.pem", "tls/ca.key"):
        files = [home / f".config/ctlv/{ENV}" / name for home in (anne, ben)]
        assert files[0].read_bytes() == files[1].read_bytes()
        assert files[1].stat().st_mode & 0o077 == 0
    assert make().startswith("nothing to make")
    assert ask("share").endswith("nothing new to share")


def test_of_what_two_machines_have_the_one_written_last_counts(two, sit_at):
    anne, ben = two
    sit_at("ben")
    make()
    signers = ben / f".config/ctlv/{ENV}/backup-signers"
    signers.write_text("database key\n")
    assert "backup-signers (make secrets)" in operators.unshared(ENV)
    assert "is for anne, ben" in ask("share")
    sit_at("anne")
    make()
    theirs = anne / f".config/ctlv/{ENV}/backup-signers"
    assert theirs.read_text() == "database key\n"
    os.utime(signers, (1, 1))
    theirs.write_text("another\n")
    ask("share")
    sit_at("ben")
    make()
    assert signers.read_text() == "another\n"


def test_nothing_is_written_outside_of_the_state_folder(two, sit_at, monkeypatch):
    sit_at("anne")
    forged = {"../../.bashrc": secrets.Shared(content=b"", at=1)}
    monkeypatch.setattr(secrets, "operators_share", lambda *_, **__: forged)
    with pytest.raises(OperatorError, match=r"holds '\.\./\.\./\.bashrc', which lies outside"):
        secrets.take_shared(ENV)


def test_the_hosts_certificates_are_the_same_for_whoever_deploys(two, sit_at):
    anne, ben = two
    (anne / f".config/ctlv/{ENV}/tls/web.key").write_text("of the host web\n")
    ask("share")
    sit_at("ben")
    make()
    assert (ben / f".config/ctlv/{ENV}/tls/web.key").read_text() == "of the host web\n"


def test_who_is_removed_opens_nothing_new_and_is_told_of_with_what_to_rotate(two, sit_at, clone):
    known, password = values(), said_to_ansible(clone)
    said = ask("remove", name="ben")
    assert "the vault has another password" in said
    assert "make rotate WHAT=" in said
    assert "database migrate rest secret-key token-key backup-key" in said
    assert values() == known
    assert said_to_ansible(clone) != password
    state = two[0] / f".config/ctlv/{ENV}"
    key = (state / "tls/ca.key").read_bytes()
    serialization.load_pem_private_key(key, said_to_ansible(clone).encode())
    assert make().startswith("nothing to make")
    sit_at("ben")
    with pytest.raises(OperatorError, match="no key of this machine opens"):
        values()


@pytest.mark.parametrize("killed_at", range(1, 6))
def test_a_removal_that_is_killed_goes_on_when_it_is_run_again(two, monkeypatch, killed_at, clone):
    """At each file that it writes: what is shared, the vault, the authority's key, the list."""
    known, password, calls = values(), said_to_ansible(clone), []
    write = secrets.files.write_atomically

    def dies(path, *words, **more):
        calls.append(path)
        if len(calls) == killed_at:
            raise KeyboardInterrupt
        write(path, *words, **more)

    monkeypatch.setattr(secrets.files, "write_atomically", dies)
    with pytest.raises(KeyboardInterrupt):
        ask("remove", name="ben")
    ask("remove", name="ben")
    assert values() == known
    assert said_to_ansible(clone) != password
    assert make().startswith("nothing to make")
    assert "ben" not in operators.read(operators.list_file(ENV))


def test_a_lab_that_was_reset_goes_on_with_another_key(sit_at, clone, monkeypatch, tmp_path):
    (clone / "inventory/lab").mkdir()
    (clone / "inventory/lab/hosts.yml").touch()
    state = tmp_path / "lab-state"
    monkeypatch.setenv("CTLV_LAB_STATE", str(state))
    anne = sit_at("anne")
    secrets.make("lab")
    (state / "known_hosts").write_text("a container's key\n")
    shutil.copy(anne / ".ssh/id_ed25519", state)
    known = secrets.opened("lab").values
    operators.act(Namespace(env="lab", verb="add", name="anne", key=key_of(anne)))
    sit_at("ben")
    for name in ("id_ed25519", "known_hosts"):
        (state / name).unlink()
    assert secrets.make("lab").startswith("nothing to make")
    new = key_of(sit_at("ben"))
    said = operators.act(Namespace(env="lab", verb="add", name="again", key=new))
    assert "operators.age is for again, anne" in said
    assert secrets.opened("lab").values == known
    assert not (state / "known_hosts").exists()


def test_what_is_listed_says_who_holds_what(two, capsys):
    ecdsa = ec.generate_private_key(ec.SECP256R1()).public_key()
    text = ecdsa.public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    ).decode()
    assert "not for carl: age opens with ssh-ed25519 and ssh-rsa alone" in ask(
        "add", name="carl", key=text
    )
    ask("list")
    lines = capsys.readouterr().out
    assert "SSH alone" in next(line for line in lines.splitlines() if "carl" in line)
    assert "tls/ca.key: anne, ben (operators.age)" in lines
    assert "escrow: none: make escrow" in lines
    assert operators.unshared(ENV) == "2 of 3 operators open the vault: anne, ben"
    ask("remove", name="ben")
    with pytest.raises(OperatorError, match="nobody's key would open the vault"):
        ask("remove", name="anne")


def test_the_escrow_wants_a_key_and_says_how_to_make_one(two):
    with pytest.raises(OperatorError, match="ssh-keygen -t ed25519"):
        escrow.act(Namespace(env=ENV, key=""))


def test_with_the_escrow_key_alone_a_bare_machine_opens_vault_and_backups(
    two, clone, tmp_path, monkeypatch
):
    """As docs/operations.md says it, in an empty home."""
    known = values()
    safe = tmp_path / "safe"
    safe.mkdir()
    key = safe / "escrow-key"
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]
    subprocess.run(words, check=True, timeout=20)
    run_git = ["git", "-C", clone, "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "ansible"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*run_git, *command], check=True, timeout=20)
    (Path(os.environ["HOME"]) / f".config/ctlv/{ENV}.token").write_text("PROXMOX_TOKEN_ID=x\n")
    said = escrow.act(Namespace(env=ENV, key=str(safe / "escrow-key.pub")))
    assert "sha256" in said
    file = Path(said.split(",")[0])
    assert b"PROXMOX" not in file.read_bytes()
    backup = tmp_path / "backup.age"
    public = clone / f"inventory/{ENV}/backup-key.pub"
    subprocess.run(["age", "-R", public, "-o", backup], input=b"rows", check=True, timeout=20)
    shutil.copy(file, tmp_path / file.name)
    shutil.move(clone, tmp_path / "burnt")
    shutil.rmtree(two[0])

    home = tmp_path / "bare"
    home.mkdir()
    environ = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    script = f"""set -eu
age --decrypt --identity {key} {file.name} | tar --extract --gzip --directory "$HOME"
install -D -m 600 {key} "$HOME/.ssh/id_ed25519"
"""
    subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environ, check=True, timeout=60)
    tree = home / f"ctlv-{ENV}"
    assert (home / f".config/ctlv/{ENV}.token").stat().st_mode & 0o077 == 0
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(secrets, "ROOT", tree)
    assert "from the other operators: backup-key" in make()
    assert values() == known
    opened = ["age", "--decrypt", "-i", home / f".config/ctlv/{ENV}/backup-key", backup]
    assert subprocess.run(opened, capture_output=True, check=True, timeout=20).stdout == b"rows"
