"""`make secrets`: made once, never changed, readable by nobody else."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import traceback
from pathlib import Path
from unittest import mock

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lab import lifecycle
from provision.errors import OperatorError
from rollout import secrets
from tests.certificates import authority, authority_where_none_is, certify

# Role tls makes one authority for these.
pytestmark = pytest.mark.xdist_group("authority")
MAKE_AUTHORITY = secrets.make_authority


@pytest.fixture(autouse=True)
def quick_authority(monkeypatch):
    """Ansible takes seconds to make one, and one test sees that."""
    monkeypatch.setattr(secrets, "make_authority", authority_where_none_is)


@pytest.fixture
def environ(tmp_path):
    return {"CTLV_LAB_STATE": str(tmp_path / "state"), "HOME": str(tmp_path)}


def make(environment, environ, **words):
    with mock.patch.dict(os.environ, environ):
        return secrets.make(environment, **words)


def read(tmp_path):
    password = (tmp_path / "state/vault-password").read_bytes().strip()
    vault = VaultLib([("lab", VaultSecret(password))])
    return secrets.read_vault(vault, tmp_path / "state/vault.yml")


def test_secrets_are_made_once(environ, tmp_path):
    first_line = make("lab", environ)
    first = read(tmp_path)
    second_line = make("lab", environ)

    assert first.keys() == secrets.SECRETS.keys()
    assert read(tmp_path) == first
    assert first_line.startswith(f"{len(first)} secrets made")
    assert second_line.startswith("nothing to make")


def test_missing_secret_is_added_and_the_others_stay(environ, tmp_path, monkeypatch):
    make("lab", environ)
    before = read(tmp_path)
    monkeypatch.setattr(secrets, "SECRETS", {**secrets.SECRETS, "vault_new": lambda: "made later"})

    make("lab", environ)

    assert read(tmp_path) == {**before, "vault_new": "made later"}


def test_nobody_else_can_read_vault_or_password(environ, tmp_path):
    make("lab", environ)

    for name in ("vault.yml", "vault-password"):
        assert stat.S_IMODE((tmp_path / "state" / name).stat().st_mode) == 0o600
    assert (tmp_path / "state/vault.yml").read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;lab")


def test_vault_without_its_password_is_said_in_two_lines(environ, tmp_path):
    make("lab", environ)
    (tmp_path / "state/vault-password").unlink()

    with pytest.raises(OperatorError) as error:
        make("lab", environ)

    assert len(str(error.value).splitlines()) == 2
    assert "\n  Next: " in str(error.value)


def test_wrong_password_is_said_in_two_lines(environ, tmp_path):
    make("lab", environ)
    (tmp_path / "state/vault-password").write_text("another\n")

    with pytest.raises(OperatorError, match="vault's password does not open it") as error:
        make("lab", environ)
    assert len(str(error.value).splitlines()) == 2
    another = VaultLib([("lab", VaultSecret(b"another"))])
    with pytest.raises(OperatorError, match="cannot be read with the password") as error:
        secrets.read_vault(another, tmp_path / "state/vault.yml")
    assert len(str(error.value).splitlines()) == 2


def test_password_that_others_may_read_is_refused(environ, tmp_path):
    make("lab", environ)
    (tmp_path / "state/vault-password").chmod(0o644)

    with pytest.raises(OperatorError, match="chmod 600"):
        make("lab", environ)


@pytest.mark.parametrize("text", [b"- one\n- two\n", b"- hidden: [\n", b"hidden\n"])
def test_vault_that_holds_something_else_is_said_and_not_shown(environ, tmp_path, text):
    make("lab", environ)
    state = tmp_path / "state"
    vault = VaultLib([("lab", VaultSecret((state / "vault-password").read_bytes().strip()))])
    (state / "vault.yml").write_bytes(vault.encrypt(text, vault_id="lab"))

    with pytest.raises(OperatorError, match="\n  Next: ") as error:
        make("lab", environ)

    shown = "".join(traceback.format_exception(error.value))
    assert "hidden" not in shown


def test_empty_password_is_refused(environ, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state/vault-password").touch(mode=0o600)

    with pytest.raises(OperatorError, match="is empty\n  Next: "):
        make("lab", environ)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("backup-key", "no key"),
        ("vault.yml/folder", ""),
        ("tls", "a file"),
    ],
)
def test_state_folder_with_something_wrong_in_it_is_said_in_two_lines(
    environ, tmp_path, file, content
):
    path = tmp_path / "state" / file
    path.parent.mkdir(parents=True)
    path.write_text(content)
    (tmp_path / "state/vault-password").touch(mode=0o600)
    (tmp_path / "state/vault-password").write_text("x")

    ended = subprocess.run(
        [sys.executable, "-m", "rollout.secrets", "--env", "lab"],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert [line[:8] for line in ended.stderr.splitlines()] == ["secrets:", "  Next: "], (
        ended.stderr
    )


def test_unknown_environment_is_refused(environ):
    with pytest.raises(OperatorError, match="no inventory 'nowhere'"):
        make("nowhere", environ)


def test_vault_client_finds_the_password_of_each_environment(environ, tmp_path, root):
    make("lab", environ)
    (tmp_path / ".config/ctlv").mkdir(parents=True)
    (tmp_path / ".config/ctlv/srv-px5.vault").write_text("theirs\n")

    def ask(environment):
        command = [root / "ansible/vault-client", "--vault-id", environment]
        return subprocess.run(
            command,
            env={**environ, "PATH": "/usr/bin:/bin"},
            check=True,
            capture_output=True,
            text=True,
            timeout=10,
        ).stdout.strip()

    assert ask("lab") == (tmp_path / "state/vault-password").read_text().strip()
    assert ask("srv-px5") == "theirs"
    assert ask("elsewhere").startswith("no password in ")


# --- one certificate authority an environment ---------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Role tls takes seconds to make one."""
    state = tmp_path_factory.mktemp("state")
    (state / "password").write_text("the vault's\n")
    MAKE_AUTHORITY(state, environment="lab", password_command=f"cat {state}/password")
    return state


def test_the_authority_is_made_once_and_its_key_is_closed(made):
    place = made / "tls"
    before = files_below(place)
    MAKE_AUTHORITY(made, environment="another", password_command="false")
    assert files_below(place) == before
    assert {path.name for path in before} == {"ca.key", "ca.pem"}
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (place, place / "ca.key")]
    assert modes == [0o700, 0o600]


@pytest.mark.parametrize("password", [None, b"another"])
def test_the_authoritys_key_opens_with_the_vaults_password_alone(made, password):
    key = (made / "tls/ca.key").read_bytes()
    serialization.load_pem_private_key(key, b"the vault's")
    with pytest.raises((TypeError, ValueError)):
        serialization.load_pem_private_key(key, password)


@pytest.mark.parametrize(
    ("name", "address", "is_valid"),
    [
        ("host.lab.ctlv.internal", "198.18.28.156", True),
        ("host.lab.ctlv.internal", "198.18.112.200", True),
        ("host.lab.ctlv.internal", "127.0.0.1", True),
        ("www.example.org", "198.18.28.156", False),
        ("ctlv.internal", "198.18.28.156", False),
        ("host.lab.ctlv.internal", "198.18.29.1", False),
        ("host.lab.ctlv.internal", "2001:db8::1", False),
    ],
)
def test_the_authority_can_vouch_for_hosts_of_its_environment_alone(made, name, address, is_valid):
    signed = certify(made / "tls", name, [address], password=b"the vault's")
    check = ["openssl", "verify", "-x509_strict", "-CAfile", made / "tls/ca.pem", signed]
    verified = subprocess.run(check, capture_output=True, timeout=10, check=False)
    for path in (signed, signed.with_suffix(".key")):
        path.unlink()
    assert (verified.returncode == 0) is is_valid, verified.stderr


def test_who_does_not_know_name_constraints_does_not_accept_the_authority(made):
    """Critical: such a program refuses it, instead of taking it for one without limits."""
    authority = x509.load_pem_x509_certificate((made / "tls/ca.pem").read_bytes())
    assert authority.extensions.get_extension_for_class(x509.NameConstraints).critical


def test_an_authority_that_lay_in_clear_is_encrypted_and_stays_the_same(environ, tmp_path):
    authority(tmp_path / "state/tls")
    key = tmp_path / "state/tls/ca.key"
    plain = serialization.load_pem_private_key(key.read_bytes(), None)
    make("lab", environ)
    password = (tmp_path / "state/vault-password").read_bytes().strip()
    found = serialization.load_pem_private_key(key.read_bytes(), password)
    assert found.private_numbers() == plain.private_numbers()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_an_authority_that_cannot_be_made_is_said_in_two_lines(tmp_path):
    (tmp_path / "tls/ca.key").mkdir(parents=True)
    with pytest.raises(OperatorError, match="was not made") as error:
        MAKE_AUTHORITY(tmp_path, environment="lab", password_command="false")
    assert [line[:8] for line in str(error.value).splitlines()][1:] == ["  Next: "]


KNOWN = "inventory/srv-px5/certificate-authority.txt"


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone with the inventory of srv-px5: what is written there is what git brings to others."""
    (tmp_path / "clone/inventory/srv-px5").mkdir(parents=True)
    (tmp_path / "clone/inventory/srv-px5/hosts.yml").touch()
    monkeypatch.setattr(secrets, "ROOT", tmp_path / "clone")
    return tmp_path / "clone"


def machine(tmp_path, name, *, vault_password_of=None):
    """A machine's home; the vault's password is what operators hand to each other."""
    home = tmp_path / name
    if vault_password_of:
        (home / ".config/ctlv").mkdir(parents=True)
        shutil.copy(
            vault_password_of["HOME"] + "/.config/ctlv/srv-px5.vault", home / ".config/ctlv"
        )
    return {"HOME": str(home)}


def authority_of(environ):
    return Path(environ["HOME"]) / ".config/ctlv/srv-px5/tls"


def files_below(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(environ, tmp_path):
    """What `make secrets` says when it makes nothing at all."""
    before = files_below(tmp_path)
    with pytest.raises(OperatorError) as error:
        make("srv-px5", environ)
    assert files_below(tmp_path) == before
    assert [line[:8] for line in str(error.value).splitlines()][1:] == ["  Next: "]
    return str(error.value)


def test_the_first_machine_writes_the_authoritys_fingerprint_and_says_so(clone, tmp_path):
    first = machine(tmp_path, "first")

    said = make("srv-px5", first)

    asked = ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in"]
    shown = subprocess.run(
        [*asked, str(authority_of(first) / "ca.pem")],
        check=True,
        capture_output=True,
        text=True,
        timeout=10,
    ).stdout
    assert (clone / KNOWN).read_text().strip() == shown.strip().partition("=")[2]
    assert f"commit {clone / KNOWN}" in said
    assert "commit" not in make("srv-px5", first)


def test_a_second_machine_is_told_that_it_lacks_the_authority_and_makes_nothing(clone, tmp_path):
    first = machine(tmp_path, "first")
    make("srv-px5", first)
    second = machine(tmp_path, "second", vault_password_of=first)

    said = refused(second, tmp_path)

    assert str(authority_of(second) / "ca.key") in said
    assert (clone / KNOWN).read_text().strip() in said
    shutil.copytree(authority_of(first), authority_of(second))
    assert make("srv-px5", second).startswith("nothing to make")


def test_a_second_machine_is_told_so_also_where_no_fingerprint_was_ever_written(clone, tmp_path):
    """The vault is written after the authority: where it is, somebody has one."""
    first = machine(tmp_path, "first")
    make("srv-px5", first)
    (clone / KNOWN).unlink()

    refused(machine(tmp_path, "second", vault_password_of=first), tmp_path)


def test_an_environment_of_an_older_version_gets_its_fingerprint_and_keeps_its_authority(
    clone, tmp_path
):
    first = machine(tmp_path, "first")
    make("srv-px5", first)
    written = (clone / KNOWN).read_text()
    (clone / KNOWN).unlink()
    before = files_below(authority_of(first))

    said = make("srv-px5", first)

    assert f"commit {clone / KNOWN}" in said
    assert (clone / KNOWN).read_text() == written
    assert files_below(authority_of(first)) == before


@pytest.fixture
def two(clone, tmp_path):
    """Two machines, each with an authority of its own; the inventory knows the first's."""
    second = machine(tmp_path, "second")
    make("srv-px5", second)
    for path in (clone / KNOWN, clone / "inventory/srv-px5/group_vars/all/vault.yml"):
        path.unlink()
    first = machine(tmp_path, "first", vault_password_of=second)
    make("srv-px5", first)
    return first, second


def test_another_authority_than_the_inventorys_is_refused(two, clone, tmp_path):
    said = refused(two[1], tmp_path)
    assert str(authority_of(two[1]) / "ca.pem") in said
    assert (clone / KNOWN).read_text().strip() in said


@pytest.mark.parametrize("what", ["missing", "another's"])
def test_an_authority_without_its_own_key_is_refused(two, tmp_path, what):
    first, second = two
    (authority_of(first) / "ca.key").unlink()
    if what == "another's":
        shutil.copy(authority_of(second) / "ca.key", authority_of(first))
    assert str(authority_of(first) / "ca.key") in refused(first, tmp_path)


@pytest.mark.parametrize("whose", ["its own", "none"])
def test_a_lost_authority_is_replaced_only_when_that_is_asked_for(two, clone, tmp_path, whose):
    _, second = two
    before = (clone / KNOWN).read_text()
    if whose == "none":
        shutil.rmtree(authority_of(second))

    said = make("srv-px5", second, new_authority=True)

    assert f"commit {clone / KNOWN}" in said
    assert (clone / KNOWN).read_text() != before
    assert make("srv-px5", second).startswith("nothing to make")


def test_a_fingerprint_that_cannot_be_one_is_said_in_two_lines(two, clone, tmp_path):
    (clone / KNOWN).write_text("<<<<<<< HEAD\n")
    assert str(clone / KNOWN) in refused(two[0], tmp_path)


def test_the_labs_fingerprint_lies_with_its_authority_which_a_reset_keeps(environ, tmp_path):
    make("lab", environ)

    with mock.patch.dict(os.environ, environ):
        known = secrets.authority_file("lab")

    assert known == tmp_path / "state/certificate-authority.txt"
    assert known.is_file()
    assert not {known.name, "tls"} & set(lifecycle.OWN_FILES)
