"""Whose SSH keys open the containers: `make operators`, `operator-add`, `operator-remove`.

    python -m rollout.operators --env ENV list
    python -m rollout.operators --env ENV add NAME KEY     KEY: a public key, or the file with it
    python -m rollout.operators --env ENV remove NAME

They stand in operators.txt of the inventory (the lab's: of its state folder), a key and a name a
line; `make deploy` lets these in as root on every container, and nobody else. While there is no
list, whoever had a key when a container was created stays.
"""

from __future__ import annotations

import argparse
import base64
import getpass
import hashlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from provision import files
from provision.arguments import Parser
from provision.credentials import file_of
from provision.environment import ROOT, state_folder
from provision.errors import OperatorError
from provision.inventory import load
from rollout.secrets import shared_place

NAME = re.compile(r"[a-z][a-z0-9._-]{0,31}")
HEAD = "# Whose SSH keys open the containers: `make operator-add`, `make operator-remove`; `make deploy` puts them there.\n"  # noqa: E501 - one line, for people
RSA_LEAST_BITS = 3072
KEY_MOST = 1 << 14
SHOWN = 60


def list_file(environment: str) -> Path:
    return shared_place(environment, environ=os.environ) / "operators.txt"


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


def act(asked: argparse.Namespace) -> str:
    file = list_file(asked.env)
    operators = read(file)
    suffix = "" if asked.env == "lab" else f" ENV={asked.env}"
    deploy = f"run `make deploy{suffix}`" + (
        "" if asked.env == "lab" else f", and commit {file.name}"
    )
    if asked.verb == "add":
        name, key = name_of(asked.name), given_key(asked.key)
        own = [] if operators else [known for known in own_keys(asked.env) if known != key]
        made = added(operators or begun(own, user=getpass.getuser()), name, key)
        write(file, made)
        news = ", ".join(sorted(made.keys() - operators.keys())) or "nobody new"
        return f"operators {asked.env}: {len(made)}, new: {news}; {deploy}"
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
        write(file, {name: key for name, key in operators.items() if name != asked.name})
        return (
            f"operators {asked.env}: {len(operators) - 1}, without {asked.name}; {deploy}\n"
            f'  What they know besides: docs/operations.md, "Operators"'
        )
    for name, key in sorted(operators.items()):
        print(f"  {name:16} {key.split(' ')[0]:20} {fingerprint(key)}")
    return f"operators {asked.env}: {len(operators)}" + (
        ""
        if operators
        else " listed: whoever had a key when a container was made; make operator-add"
    )


def main() -> int:
    parser = Parser(
        prog="python -m rollout.operators", description="Whose keys open the containers."
    )
    parser.add_environment(default="lab")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="names and fingerprints")
    example = 'make operator-add NAME=anne KEY="ssh-ed25519 AAAA…"'
    add = verbs.add_parser("add", help="one more", next_step=example)
    remove = verbs.add_parser("remove", help="one less", next_step="make operator-remove NAME=anne")
    for sub in (add, remove):
        sub.add("name", make="NAME", help="of the operator")
    add.add("key", make="KEY", help="a public key, or the file with it")
    asked = parser.parse()
    try:
        print(act(asked))
    except OperatorError as error:
        print(f"operators {asked.env}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
