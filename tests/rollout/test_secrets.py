"""`make secrets`: made once, never changed, readable by nobody else."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import traceback

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from rollout import secrets


@pytest.fixture
def environ(tmp_path):
    return {"CTLV_LAB_STATE": str(tmp_path / "state"), "HOME": str(tmp_path)}


def read(tmp_path):
    password = (tmp_path / "state/vault-password").read_bytes().strip()
    vault = VaultLib([("lab", VaultSecret(password))])
    return secrets.read_vault(vault, tmp_path / "state/vault.yml")


def test_secrets_are_made_once(environ, tmp_path):
    first_line = secrets.make("lab", environ=environ)
    first = read(tmp_path)
    second_line = secrets.make("lab", environ=environ)

    assert first.keys() == secrets.SECRETS.keys()
    assert read(tmp_path) == first
    assert first_line.startswith(f"{len(first)} secrets made")
    assert second_line.startswith("nothing to make")


def test_missing_secret_is_added_and_the_others_stay(environ, tmp_path, monkeypatch):
    secrets.make("lab", environ=environ)
    before = read(tmp_path)
    monkeypatch.setattr(secrets, "SECRETS", {**secrets.SECRETS, "vault_new": lambda: "made later"})

    secrets.make("lab", environ=environ)

    assert read(tmp_path) == {**before, "vault_new": "made later"}


def test_nobody_else_can_read_vault_or_password(environ, tmp_path):
    secrets.make("lab", environ=environ)

    for name in ("vault.yml", "vault-password"):
        assert stat.S_IMODE((tmp_path / "state" / name).stat().st_mode) == 0o600
    assert (tmp_path / "state/vault.yml").read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;lab")


def test_vault_without_its_password_is_said_in_two_lines(environ, tmp_path):
    secrets.make("lab", environ=environ)
    (tmp_path / "state/vault-password").unlink()

    with pytest.raises(secrets.SecretsError) as error:
        secrets.make("lab", environ=environ)

    assert len(str(error.value).splitlines()) == 2
    assert "\n  Next: " in str(error.value)


def test_wrong_password_is_said_in_two_lines(environ, tmp_path):
    secrets.make("lab", environ=environ)
    (tmp_path / "state/vault-password").write_text("another\n")

    with pytest.raises(secrets.SecretsError, match="cannot be read") as error:
        secrets.make("lab", environ=environ)

    assert len(str(error.value).splitlines()) == 2


def test_password_that_others_may_read_is_refused(environ, tmp_path):
    secrets.make("lab", environ=environ)
    (tmp_path / "state/vault-password").chmod(0o644)

    with pytest.raises(secrets.SecretsError, match="chmod 600"):
        secrets.make("lab", environ=environ)


@pytest.mark.parametrize("text", [b"- one\n- two\n", b"- hidden: [\n", b"hidden\n"])
def test_vault_that_holds_something_else_is_said_and_not_shown(environ, tmp_path, text):
    secrets.make("lab", environ=environ)
    state = tmp_path / "state"
    vault = VaultLib([("lab", VaultSecret((state / "vault-password").read_bytes().strip()))])
    (state / "vault.yml").write_bytes(vault.encrypt(text, vault_id="lab"))

    with pytest.raises(secrets.SecretsError, match="\n  Next: ") as error:
        secrets.make("lab", environ=environ)

    shown = "".join(traceback.format_exception(error.value))
    assert "hidden" not in shown


def test_empty_password_is_refused(environ, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state/vault-password").touch(mode=0o600)

    with pytest.raises(secrets.SecretsError, match="is empty\n  Next: "):
        secrets.make("lab", environ=environ)


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
    with pytest.raises(secrets.SecretsError, match="no inventory 'nowhere'"):
        secrets.make("nowhere", environ=environ)


def test_vault_client_finds_the_password_of_each_environment(environ, tmp_path, root):
    secrets.make("lab", environ=environ)
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
