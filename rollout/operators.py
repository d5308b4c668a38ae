"""Whose SSH keys open the containers and the vault: `make operators`, `operator-add`, `-remove`.

    python -m rollout.operators --env ENV list
    python -m rollout.operators --env ENV add NAME KEY     KEY: a public key, or the file with it
    python -m rollout.operators --env ENV remove NAME
    python -m rollout.operators --env ENV share            of `make secrets`

They stand in operators.txt of the inventory (the lab's: of its state folder), a key and a name a
line; `make deploy` lets these in as root on every container, and nobody else. While there is no
list, whoever had a key when a container was created stays.

Beside it lies operators.age: the vault's password and what else all of them need, a tar that age
encrypted to each of these keys. Of a file that two machines have, the one written last counts.
"""

from __future__ import annotations

import argparse
import base64
import getpass
import hashlib
import io
import re
import subprocess
import tarfile
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from secrets import token_urlsafe

from ansible.parsing.vault import VaultLib, VaultSecret
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from provision import files
from provision.arguments import Parser
from provision.credentials import file_of
from provision.environment import LAB, ROOT, state_folder
from provision.errors import OperatorError, failing_as
from provision.inventory import load
from rollout import secrets
from rollout.secrets import OPENS_VAULT, OPERATORS_SHARE, Shared, shared_place

NAME = re.compile(r"[a-z][a-z0-9._-]{0,31}")
HEAD = "# Whose SSH keys open the containers: `make operator-add`, `make operator-remove`; `make deploy` puts them there.\n"  # noqa: E501 - one line, for people
RSA_LEAST_BITS = 3072
KEY_MOST = 1 << 14
SHOWN = 60
# Files of the state folder that every operator needs: without the hosts' own certificates each
# machine would make them others.
SHARED = ("backup-key", "backup-signers", "known_hosts", "tls/*.pem", "tls/*.key")
# In operators.age while the vault's password is being changed.
NEXT_PASSWORD = f"{OPENS_VAULT}.next"
# Of SSH's keys these open what age encrypts.
AGE_KNOWS = ("ssh-ed25519 ", "ssh-rsa ")


def list_file(environment: str) -> Path:
    return shared_place(environment) / "operators.txt"


def parse(text: str, *, where: Path) -> dict[str, str]:
    """Name -> "type base64". Raises OperatorError for lines that are not exactly key and name."""
    found: dict[str, str] = {}
    wrong = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        words = line.split(" ")
        try:
            name, key = name_of(words[-1]), key_of(" ".join(words[:-1]))
            if name in found or key in found.values():
                raise OperatorError(f"'{name}' or its key is there twice", next_step="")
            found[name] = key
        except OperatorError as error:
            wrong.append(f"{where}:{number} {error.problem}")
    if wrong:
        raise OperatorError(
            "\n  ".join(wrong), next_step=f"correct or remove these lines of {where}"
        )
    return found


def name_of(text: str) -> str:
    if not NAME.fullmatch(text):
        raise OperatorError(
            f"'{text}' is no name of an operator",
            next_step="give NAME= small letters, digits, dots or dashes, 32 at most: NAME=anne",
        )
    return text


def key_of(text: str) -> str:
    """The key as "type base64", without its comment. Raises OperatorError for what is none."""
    words = text.split(" ")
    if "PRIVATE KEY" in text:
        raise OperatorError(
            "this is a private key, which nobody but its owner may have",
            next_step="give KEY= its public half, the file that ends in .pub",
        )
    try:
        known = serialization.load_ssh_public_key(" ".join(words[:2]).encode())
        made = known.public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        ).decode()
    except (ValueError, UnsupportedAlgorithm):
        made = ""
    # As it stands there, letter by letter: options before it or a second line would let in more.
    if not made or made != " ".join(words[:2]) or not text.isprintable():
        raise OperatorError(
            f"'{text.splitlines()[0][:SHOWN] if text else ''}' is not one SSH public key",
            next_step="give KEY= one line of a .pub file, or the file: KEY=~/.ssh/id_ed25519.pub",
        )
    if isinstance(known, rsa.RSAPublicKey) and known.key_size < RSA_LEAST_BITS:
        raise OperatorError(
            f"the key has {known.key_size} bits of RSA, {RSA_LEAST_BITS} are the least",
            next_step="make another: ssh-keygen -t ed25519",
        )
    return made


def given_key(text: str) -> str:
    """A key, or what the file of that name holds."""
    if text.startswith(("/", "~", "./", "../")) or text.endswith(".pub"):
        file = Path(text).expanduser()
        try:
            text = file.read_text("utf-8")[:KEY_MOST]
        except (OSError, ValueError) as error:
            raise OperatorError(
                f"the key {file} cannot be read: {getattr(error, 'strerror', None) or 'no text'}",
                next_step="give KEY= a public key, or a file with one",
            ) from error
    return key_of(text.strip())


def fingerprint(key: str) -> str:
    """As `ssh-keygen -l` prints it."""
    digest = hashlib.sha256(base64.b64decode(key.split(" ")[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def own_keys(environment: str) -> list[str]:
    """With which this machine reaches the containers (lxc_ssh_public_key_file)."""
    hosts = load(environment, root=ROOT).hosts
    named = str(next(iter(hosts.values())).get("lxc_ssh_public_key_file") or "")
    file = file_of(named, state_folder(environment))
    try:
        lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise OperatorError(
            f"this machine's own key {file} cannot be read: {error}",
            next_step="make one: ssh-keygen -t ed25519; or set lxc_ssh_public_key_file",
        ) from error
    return [key_of(line) for line in lines if line and not line.startswith("#")]


def read(file: Path) -> dict[str, str]:
    try:
        return parse(file.read_text("utf-8"), where=file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise OperatorError(
            f"{file} cannot be read: {error}", next_step="see its rights"
        ) from error


def write(file: Path, operators: Mapping[str, str]) -> None:
    text = "".join(f"{key} {name}\n" for name, key in sorted(operators.items()))
    files.write_atomically(file, HEAD + text, mode=files.PUBLIC)


def added(operators: Mapping[str, str], name: str, key: str) -> dict[str, str]:
    """With one more, or the same once more. Pure."""
    if operators.get(name, key) != key:
        raise OperatorError(
            f"there is another key of '{name}': {fingerprint(operators[name])}",
            next_step=f"give another NAME=, or first: make operator-remove NAME={name}",
        )
    if owners := [other for other in operators if operators[other] == key and other != name]:
        raise OperatorError(
            f"this is the key of '{owners[0]}'", next_step="give KEY= one of their own"
        )
    return {**operators, name: key}


def begun(own: Sequence[str], *, user: str) -> dict[str, str]:
    """A new list: whoever makes it must not lock out this machine. Pure."""
    plain = re.sub(r"[^a-z0-9._-]", "", user.lower()).lstrip("0123456789._-")[:25] or "first"
    return {f"{plain}{number or ''}": key for number, key in enumerate(own)}


def encrypted(plain: bytes, keys: Sequence[str]) -> bytes:
    """By age, to each of these SSH public keys."""
    words = [word for key in keys for word in ("--recipient", key)]
    try:
        return subprocess.run(
            ["age", "--encrypt", *words], input=plain, capture_output=True, check=True, timeout=120
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error).encode()
        raise OperatorError(
            f"age did not encrypt: {' '.join(said.decode(errors='replace').split())[-200:]}",
            next_step="`setup/machine packages` installs age",
        ) from error


def openers(sealed: Path, operators: Mapping[str, str]) -> set[str]:
    """Whose keys open it, by its header: "-> ssh-ed25519", and the first bytes of a digest."""
    head = sealed.read_bytes().partition(b"\n---")[0].splitlines() if sealed.exists() else []
    tags = {line.split()[2].decode() for line in head if line.startswith(b"-> ssh-")}

    def tag(key: str) -> str:
        digest = hashlib.sha256(base64.b64decode(key.split(" ")[1])).digest()
        return base64.b64encode(digest[:4]).decode().rstrip("=")

    return {name for name, key in operators.items() if tag(key) in tags}


def write_shared(environment: str, found: Mapping[str, Shared], keys: Sequence[str]) -> None:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as tar:
        for name, shared in sorted(found.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(shared.content), shared.at, files.PRIVATE
            tar.addfile(member, io.BytesIO(shared.content))
    sealed = shared_place(environment) / OPERATORS_SHARE
    able = [key for key in keys if key.startswith(AGE_KNOWS)]
    files.write_atomically(sealed, encrypted(body.getvalue(), able), mode=files.PUBLIC)


def here(environment: str) -> dict[str, Shared]:
    """What this machine has of what operators share, but for the vault's password."""
    state = state_folder(environment)
    there = [file for pattern in SHARED for file in state.glob(pattern) if file.is_file()]
    return {
        str(file.relative_to(state)): Shared(
            content=file.read_bytes(), at=int(file.stat().st_mtime)
        )
        for file in there
    }


def share(environment: str, operators: Mapping[str, str]) -> str:
    """Encrypt to these operators what they share, with what is new here. Returns what changed."""
    file = shared_place(environment) / OPERATORS_SHARE
    if not operators or not secrets.places(environment)[0].exists():
        return ""
    known = secrets.operators_share(environment)
    secrets.take_shared(environment)
    password = secrets.password_of(environment)
    # As files hold it: a line.
    fallback = Shared(content=password + b"\n", at=int(time.time()))
    found = {OPENS_VAULT: fallback, **known, **here(environment)}
    able = {name for name, key in operators.items() if key.startswith(AGE_KNOWS)}
    if not able:
        return ""
    old = {name: shared.content for name, shared in known.items()}
    if old == {name: shared.content for name, shared in found.items()} and able == openers(
        file, operators
    ):
        return ""
    write_shared(environment, found, list(operators.values()))
    forget_plain_password(environment)
    return f"{file.name} is for {', '.join(sorted(able))}"


def forget_plain_password(environment: str) -> None:
    """Once a key of this machine opens it. The lab's stays: a reset makes it other keys."""
    try:
        secrets.operators_share(environment)
    except OperatorError:
        return
    if environment != LAB:
        secrets.places(environment)[1].unlink(missing_ok=True)


def change_password(environment: str, remaining: Mapping[str, str]) -> None:
    """Another password of the vault, for these alone. Killed, it goes on when called again."""
    vault_file, plain = secrets.places(environment)
    state = state_folder(environment)
    known = secrets.operators_share(environment)
    secrets.take_shared(environment)
    now, keys = int(time.time()), list(remaining.values())
    before = known[OPENS_VAULT].content.strip()
    following = known.get(NEXT_PASSWORD, Shared(content=token_urlsafe(32).encode() + b"\n", at=now))
    after = following.content.strip()
    write_shared(environment, {**known, NEXT_PASSWORD: following}, keys)
    either = VaultLib([(environment, VaultSecret(password)) for password in (before, after)])
    values = secrets.read_vault(either, vault_file)
    secrets.Vault(file=vault_file, environment=environment, password=after, values=values).write()
    if (state / "tls/ca.key").exists():
        secrets.encrypt_authority(state / "tls/ca.key", after, before=before)
    if plain.exists():
        secrets.write_private(plain, following.content)
    found = {name: shared for name, shared in known.items() if name != NEXT_PASSWORD}
    write_shared(environment, {**found, **here(environment), OPENS_VAULT: following}, keys)
    forget_plain_password(environment)


def holdings(environment: str, able: Collection[str]) -> str:
    """Who holds which secret, as far as this machine can tell; docs/operations.md has all."""
    state = state_folder(environment)
    password = secrets.places(environment)[1]
    token = state.with_name(f"{environment}.token")
    clear = (password, state / "backup-key", *([] if environment == LAB else [token]))
    named = ", ".join(str(file) for file in clear if file.exists()) or "none"
    bundle = max((path.name for path in state.glob("escrow-*.age")), default="none: make escrow")
    return (
        f"  vault, its password, backup-key, tls/ca.key: {', '.join(sorted(able)) or 'nobody yet'}"
        f" ({OPERATORS_SHARE})\n  in clear on this machine: {named}\n  escrow: {bundle}"
    )


def unshared(environment: str) -> str:
    """Of `make status`: who opens what, and what others do not have yet."""
    operators = read(list_file(environment))
    if not operators:
        return "no operators are listed: make operator-add"
    sealed = list_file(environment).with_name(OPERATORS_SHARE)
    able = openers(sealed, operators)
    told = f"{len(able)} of {len(operators)} operators open the vault: {', '.join(sorted(able))}"
    try:
        known = secrets.operators_share(environment)
    except OperatorError as error:
        return f"{told}; {error.problem}"
    new = [name for name, shared in here(environment).items()
           if name not in known or known[name].content != shared.content]  # fmt: skip
    return f"{told}; not as others have it: {', '.join(new)} (make secrets)" if new else told


def knew(environment: str) -> str:
    """What somebody who was an operator may have kept."""
    suffix = "" if environment == LAB else f" ENV={environment}"
    kinds = "database migrate rest secret-key token-key backup-key authority api-token"
    return (
        "  They may have kept what operators.age held: the vault with its passwords and keys, "
        "backup-key, the authority's key; and a token of Proxmox, an account of /admin\n"
        f"  Next: make deploy{suffix}, then for WHAT in {kinds}: make rotate WHAT=…{suffix}; "
        'the others: docs/operations.md, "Who holds which secret"'
    )


def act(asked: argparse.Namespace) -> str:
    file = list_file(asked.env)
    sealed = file.with_name(OPERATORS_SHARE)
    operators = read(file)
    suffix = "" if asked.env == "lab" else f" ENV={asked.env}"
    deploy = f"run `make deploy{suffix}`" + (
        "" if asked.env == "lab" else f", and commit {file.name}"
    )
    if asked.verb == "add":
        name, key = name_of(asked.name), given_key(asked.key)
        own = [] if operators else [known for known in own_keys(asked.env) if known != key]
        made = added(operators or begun(own, user=getpass.getuser()), name, key)
        shared = share(asked.env, made)
        write(file, made)
        news = ", ".join(sorted(made.keys() - operators.keys())) or "nobody new"
        if not key.startswith(AGE_KNOWS):
            shared += f"; not for {name}: age opens with ssh-ed25519 and ssh-rsa alone"
        return (
            f"operators {asked.env}: {len(made)}, new: {news}; {shared or 'no vault yet'}; {deploy}"
        )
    if asked.verb == "remove":
        if asked.name not in operators:
            raise OperatorError(
                f"'{asked.name}' is no operator: {', '.join(operators) or 'there is no list'}",
                next_step=f"make operators{suffix}",
            )
        if len(operators) == 1:
            raise OperatorError(
                f"'{asked.name}' is the only one left: nobody could reach the containers",
                next_step="first add another: make operator-add NAME=… KEY=…",
            )
        remaining = {name: key for name, key in operators.items() if name != asked.name}
        if sealed.exists():
            if not any(key.startswith(AGE_KNOWS) for key in remaining.values()):
                raise OperatorError(
                    f"without '{asked.name}' nobody's key would open the vault",
                    next_step="first add one of ssh-ed25519: make operator-add NAME=… KEY=…",
                )
            change_password(asked.env, remaining)
        write(file, remaining)
        changed = "; the vault has another password" if sealed.exists() else ""
        return (
            f"operators {asked.env}: {len(remaining)}, without {asked.name}{changed}; {deploy}\n"
            f"{knew(asked.env)}"
        )
    if asked.verb == "share":
        return f"operators {asked.env}: {share(asked.env, operators) or 'nothing new to share'}"
    able = openers(sealed, operators)
    for name, key in sorted(operators.items()):
        opens = "opens the vault" if name in able else "SSH alone"
        print(f"  {name:16} {key.split(' ')[0]:20} {fingerprint(key)}  {opens}")
    print(holdings(asked.env, able))
    return f"operators {asked.env}: {len(operators)}" + (
        ""
        if operators
        else " listed: whoever had a key when a container was made; make operator-add"
    )


def main() -> None:
    parser = Parser(
        prog="python -m rollout.operators", description="Whose keys open the containers."
    )
    parser.add_environment(default="lab")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="names, fingerprints, who opens what")
    verbs.add_parser("share", help="encrypt to them what is new here")
    example = 'make operator-add NAME=anne KEY="ssh-ed25519 AAAA…"'
    add = verbs.add_parser("add", help="one more", next_step=example)
    remove = verbs.add_parser("remove", help="one less", next_step="make operator-remove NAME=anne")
    for sub in (add, remove):
        sub.add("name", make="NAME", help="of the operator")
    add.add("key", make="KEY", help="a public key, or the file with it")
    asked = parser.parse()
    with failing_as(f"operators {asked.env}"):
        print(act(asked))


if __name__ == "__main__":
    main()
