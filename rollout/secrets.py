#!/usr/bin/env python3
"""Make the secrets of an environment that are missing, into its vault (ansible-vault).

    python -m rollout.secrets --env lab
    python -m rollout.secrets --env lab --authority new    where the authority is lost

Every value comes from the system's random source. What is there already is never changed.
"""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import ssl
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from ansible.parsing.vault import AnsibleVaultError, VaultLib, VaultSecret
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from provision import files, inventory
from provision.arguments import Parser, one_of
from provision.environment import LAB, ROOT, state_folder
from provision.environment import known as environments
from provision.errors import OperatorError, failing_as
from rollout.play import ansible_playbook

# Every secret of an environment, and how it is made. The inventories read exactly these.
SECRETS: Mapping[str, Callable[[], str]] = {
    "vault_agenda_secret_key": lambda: secrets.token_urlsafe(64),
    "vault_agenda_database_password": lambda: secrets.token_urlsafe(32),
    "vault_agenda_migrate_password": lambda: secrets.token_urlsafe(32),
    "vault_agenda_rest_password": lambda: secrets.token_urlsafe(32),
    "vault_agenda_token_key": lambda: secrets.token_urlsafe(64),
}
OPENS_VAULT = "vault-password"
# What each operator's key opens (rollout/operators.py), with the vault's password.
OPERATORS_SHARE = "operators.age"
# How often some were rotated: no secret, and "" before the first time.
GENERATION = "vault_agenda_generation"


def places(environment: str) -> tuple[Path, Path]:
    """Where the vault and its password lie. The lab's are in its state folder, out of git."""
    state = state_folder(environment)
    if environment == LAB:
        return state / "vault.yml", state / "vault-password"
    password = state.with_name(f"{environment}.vault")
    return ROOT / "inventory" / environment / "group_vars/all/vault.yml", password


def shared_place(environment: str) -> Path:
    """Where what all operators must know lies: in the inventory, for git; the lab has but one."""
    if environment == LAB:
        return state_folder(environment)
    return ROOT / "inventory" / environment


def authority_file(environment: str) -> Path:
    """What the certificate authority is known by. Ansible takes no .txt for a list of hosts."""
    return shared_place(environment) / "certificate-authority.txt"


def read_vault(vault: VaultLib, file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    try:
        text = vault.decrypt(file.read_bytes())
    except AnsibleVaultError as error:
        raise OperatorError(
            f"{file} cannot be read with the password there is",
            "where `make operator-remove` was interrupted, run it again; else bring back the "
            "password it was made with; without it, remove the vault and deploy anew with new "
            "secrets",
        ) from error
    try:
        return dict(yaml.safe_load(text) or {})
    except (yaml.YAMLError, TypeError, ValueError):
        # Without the cause, which shows lines of what was encrypted.
        raise OperatorError(
            f"what {file} holds is not a list of `name: value`",
            f"correct it with `.venv/bin/ansible-vault edit {file}`",
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A file that operators share; `at`: when it was written, in seconds since 1970."""

    content: bytes
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    """The vault of an environment, opened."""

    file: Path
    environment: str
    password: bytes
    values: dict[str, str]

    def write(self, **new: str) -> None:
        """Whole or not at all; what is "" is no longer there."""
        self.values.update(new)
        kept = {name: value for name, value in self.values.items() if value}
        vault = VaultLib([(self.environment, VaultSecret(self.password))])
        text = yaml.safe_dump(kept, sort_keys=True).encode()
        write_private(self.file, vault.encrypt(text, vault_id=self.environment))


def opened(environment: str) -> Vault:
    file, _ = places(environment)
    password = password_of(environment)
    values = read_vault(VaultLib([(environment, VaultSecret(password))]), file)
    return Vault(file=file, environment=environment, password=password, values=values)


def write_private(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    files.write_atomically(file, content)


def operators_share(environment: str) -> dict[str, Shared]:
    """The secrets that each operator's key opens (operators.age), by name; {} without operators.

    Raises OperatorError when no key of this machine opens them.
    """
    sealed = shared_place(environment) / OPERATORS_SHARE
    if not sealed.exists():
        return {}
    ended = subprocess.run(
        [ROOT / "ansible/vault-client", "--vault-id", environment, "--all"],
        capture_output=True,
        timeout=120,
        check=False,
    )
    try:
        with tarfile.open(fileobj=io.BytesIO(ended.stdout)) as tar:
            return {
                member.name: Shared(content=file.read(), at=int(member.mtime))
                for member in tar.getmembers()
                if (file := tar.extractfile(member))
            }
    except tarfile.TarError as error:
        # A reset gave the lab another key; its password is still in clear there.
        if environment == LAB and places(environment)[1].exists():
            return {}
        said = " ".join(ended.stderr.decode(errors="replace").split())[-200:]
        raise OperatorError(
            f"no key of this machine opens {sealed}: {said or 'it is damaged'}",
            "let an operator run `make operator-add` with your key (ssh-ed25519 or ssh-rsa), and "
            "pull; where your key lies elsewhere than in ~/.ssh, link it: ~/.config/ctlv/identity",
        ) from error


def take_shared(environment: str) -> list[str]:
    """Bring this machine what other operators wrote later, or it has not. Returns the names."""
    state, taken = state_folder(environment), []
    for name, shared in operators_share(environment).items():
        file = state / name
        if not file.resolve().is_relative_to(state.resolve()):
            # Whoever has the public keys can seal one, with any names in it.
            raise OperatorError(
                f"{OPERATORS_SHARE} holds '{name}', which lies outside of {state}",
                "bring back the one that git has from an operator, and ask who changed it",
            )
        known = file.stat() if file.exists() else None
        if name.startswith(OPENS_VAULT) or (known and int(known.st_mtime) >= shared.at):
            continue
        if name == "known_hosts" and environment == LAB:
            continue  # of containers that a reset removed
        if not known or file.read_bytes() != shared.content:
            write_private(file, shared.content)
            taken.append(name)
        os.utime(file, (shared.at, shared.at))
    return taken


def password_of(environment: str) -> bytes:
    """The vault's password; made when neither it nor the vault exists yet."""
    vault_file, file = places(environment)
    try:
        shared = operators_share(environment)
    except OperatorError:
        if not file.exists():
            raise
        shared = {}
    if shared:
        return shared[OPENS_VAULT].content.strip()
    if not file.exists():
        if vault_file.exists():
            raise OperatorError(
                f"{vault_file} exists, its password {file} does not",
                "get that file from whoever made the vault, mode 0600; or let an operator run "
                "`make operator-add` with your key",
            )
        write_private(file, f"{secrets.token_urlsafe(32)}\n".encode())
    if file.stat().st_mode & 0o077:
        raise OperatorError(f"others may read {file}", f"chmod 600 {file}")
    password = file.read_bytes().strip()
    if not password:
        raise OperatorError(
            f"{file} is empty",
            f"bring back what it held; when {vault_file} does not exist yet, remove it",
        )
    return password


def backup_key(environment: str) -> None:
    """The key that opens backups stays in the state folder; its public half goes to the inventory.

    An inventory that names a public key already is left alone: another operator holds the other
    half, and backups stay readable by whoever is named there.
    """
    public = shared_place(environment) / "backup-key.pub"
    if public.exists():
        return
    private = state_folder(environment) / "backup-key"
    if not private.exists():
        write_private(private, age_keygen())
    write_private(public, age_keygen("-y", str(private)))
    public.chmod(0o644)


def age_keygen(*arguments: str) -> bytes:
    command = ["age-keygen", *arguments]
    try:
        ended = subprocess.run(command, capture_output=True, check=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OperatorError(
            f"no key for backups could be made: {error}",
            "`setup/machine packages` installs age, which makes it",
        ) from error
    except subprocess.CalledProcessError as error:
        # Without its words: it may show what it could not read.
        raise OperatorError(
            f"`{' '.join(command)}` failed with {error.returncode}",
            "bring back the backup-key that was made; when no backup exists yet, remove it",
        ) from error
    return ended.stdout


def recorded(file: Path) -> str:
    """What a file of one line says, as the authority's fingerprint; "" when it is not there yet."""
    return file.read_text("utf-8", errors="replace").strip() if file.exists() else ""


def certificates(file: Path) -> list[str]:
    """Those it holds: the first signs, the others are believed too while it is rotated."""
    found = re.findall(
        r"-----BEGIN C.*?-----END CERTIFICATE-----", file.read_text("utf-8"), re.DOTALL
    )
    return [f"{one}\n" for one in found]


def fingerprint_of(certificate: Path) -> str:
    """The first one's, as `openssl x509 -fingerprint -sha256` and browsers show it."""
    try:
        body = x509.load_pem_x509_certificate(certificate.read_bytes())
    except ValueError as error:
        raise OperatorError(
            f"{certificate} is no certificate",
            "bring back the one `make secrets` made; without it, remove "
            f"{certificate.parent} and run `make secrets AUTHORITY=new`: browsers then want the "
            "new one",
        ) from error
    return body.fingerprint(hashes.SHA256()).hex(":").upper()


def need_authority(
    place: Path, *, known_in: Path, password: str, may_make: bool, may_replace: bool
) -> None:
    """Raises OperatorError unless this machine has the authority, or is the one to make it.

    `known_in`: the inventory's file with its fingerprint. `may_make`: nobody has one yet.
    """
    certificate, key, known = place / "ca.pem", place / "ca.key", recorded(known_in)
    if not certificate.exists():
        if may_replace or (may_make and not known):
            return
        raise OperatorError(
            f"this machine lacks the certificate authority {known or 'of this environment'}: "
            f"{certificate} and {key}",
            "get both from the operator who ran `make secrets`, mode 0600; only if they "
            "are lost, `make secrets AUTHORITY=new` makes another, for every host and browser",
        )
    here = fingerprint_of(certificate)
    if known not in ("", here) and not may_replace:
        raise OperatorError(
            f"{certificate} is the authority {here}, {known_in} names {known[:95]!r}",
            "put ca.pem and ca.key of the operator who ran `make secrets` in its place; "
            "only if they are lost, `make secrets AUTHORITY=new` names the one that is here",
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password)
    except OSError as error:
        raise OperatorError(
            f"{key} is not the key of {certificate}, or the vault's password does not open it: "
            f"{error.strerror or error}",
            "get both from the operator who ran `make secrets`, mode 0600",
        ) from error


def vault_client(environment: str) -> str:
    """The command that prints the vault's password."""
    return f"{ROOT / 'ansible/vault-client'} --vault-id {environment}"


def make_authority(state: Path, *, environment: str, password_command: str) -> None:
    """When there is none; by role tls. A run that was killed goes on with the key it had made."""
    if (state / "tls/ca.pem").exists():
        return
    (state / "tls").mkdir(parents=True, exist_ok=True, mode=0o700)
    hosts = inventory.load(environment, root=ROOT).hosts.values()
    networks = {network["subnet"] for host in hosts for network in host["lxc_networks"].values()}
    told = json.dumps(
        {
            "tls_state": str(state),
            "tls_authority_name": f"Agenda {environment}, certificate authority",
            "tls_authority_networks": sorted(networks),
            "tls_authority_password_command": password_command,
            "tls_domain": f"{environment}.ctlv.internal",
        }
    )
    ended = ansible_playbook(
        *("--inventory", "localhost,", "ansible/authority.yml", "--extra-vars", told),
        capture_output=True,
        timeout_s=300,
    )
    if ended.returncode != 0:
        said = " ".join((ended.stdout + ended.stderr).split())
        raise OperatorError(
            f"the certificate authority was not made: {said[-600:]}",
            "mend what Ansible says there, and run this again",
        )


def encrypt_authority(key: Path, password: bytes, *, before: bytes | None = None) -> None:
    """The authority's key with this password; `before`: the one it may have (None: it is in clear,
    as versions before this one kept it).
    """
    is_encrypted = b"ENCRYPTED" in (text := key.read_bytes())
    if is_encrypted and before is None:
        return
    try:
        private = serialization.load_pem_private_key(text, before if is_encrypted else None)
    except ValueError:
        # A run that was killed had encrypted it already; another key is none of ours.
        serialization.load_pem_private_key(text, password)
        return
    encrypted = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )
    write_private(key, encrypted)


def make(environment: str, *, new_authority: bool = False) -> str:
    """Do it; return the one line of result."""
    if not (ROOT / "inventory" / environment / "hosts.yml").exists():
        names = ", ".join(environments(root=ROOT))
        raise OperatorError(f"there is no inventory '{environment}'", f"ENV= one of {names}")
    vault_file, password_file = places(environment)
    state = state_folder(environment)
    taken = take_shared(environment)
    is_begun = vault_file.is_file() or password_file.is_file()
    known_in = authority_file(environment)
    # Before anything is made. The vault is written last: where it is, somebody has an authority.
    need_authority(
        state / "tls",
        known_in=known_in,
        password=password_of(environment).decode() if is_begun else "",
        may_make=not vault_file.is_file(),
        may_replace=new_authority,
    )
    vault = opened(environment)
    known = [name for name in SECRETS if name in vault.values]
    new = {name: make_one() for name, make_one in SECRETS.items() if name not in known}
    backup_key(environment)
    make_authority(state, environment=environment, password_command=vault_client(environment))
    encrypt_authority(state / "tls/ca.key", vault.password)
    also = f"; from the other operators: {', '.join(taken)}" if taken else ""
    if recorded(known_in) != (fingerprint := fingerprint_of(state / "tls/ca.pem")):
        files.write_atomically(known_in, f"{fingerprint}\n", mode=files.PUBLIC)
        also += "; the certificate authority's fingerprint was written"
        also += f": {known_in}" if environment == LAB else f": commit {known_in}"
    if new:
        vault.write(**new)
        return f"{len(new)} secrets made in {vault_file}; its password is {password_file}{also}"
    return f"nothing to make, {len(known)} secrets are in {vault_file}{also}"


def main() -> None:
    parser = Parser(prog="python -m rollout.secrets", description=__doc__)
    parser.add_environment(required=True)
    parser.add(
        "--authority",
        make="AUTHORITY",
        type=one_of("known", "new"),
        default="known",
        help="new: the known one is lost",
    )
    asked = parser.parse()
    with failing_as("secrets"):
        try:
            made = make(asked.env, new_authority=asked.authority == "new")
        except OSError as error:
            problem = f"{error.filename}: {error.strerror}"
            raise OperatorError(problem, "see who may read and write there") from error
        print(f"secrets: {made}")


if __name__ == "__main__":
    main()
