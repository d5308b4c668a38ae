"""Where the API is and who we are there. Environments never borrow each other's."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import ssl
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ValidationError

from provision.desired import Desired
from provision.environment import LAB, state_folder
from provision.errors import OperatorError

# A UUID, as Proxmox makes them; anything else printable is left to the server to judge.
SECRET = re.compile(r"[\x21-\x7e]+")
LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST = re.compile(
    rf"((?i:https)://)?(?P<host>{LABEL}(\.{LABEL})*|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{{1,5}}))?/?"
)
PORTS = range(1, 2**16)
LONGEST_FILE_NAME = 255  # bytes: limits.h, NAME_MAX
CORRECT_FILE = "correct it where it is written: the inventory, or PROXMOX_CA_FILE"
# It travels in a header, which has room for ASCII only.
TOKEN_ID = re.compile(r"(?P<user>[^@!\s]+@[^@!\s]+)!(?P<name>[A-Za-z][\w.-]*)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One API and one token. `ca_file` None means the machine's own certificate authorities."""

    host: str
    port: int
    ca_file: Path | None
    token_id: str
    token_secret: str = field(repr=False)
    is_lab: bool = False

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"

    @property
    def user(self) -> str:
        return self.token_id.partition("!")[0]

    @property
    def token_name(self) -> str:
        return self.token_id.partition("!")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What belongs to one environment on the operator's machine."""

    environment: str
    state: Path
    root: Path
    # A command with %h and %p through which SSH reaches the containers; empty: directly.
    ssh_proxy_command: str = ""


class Lab(BaseModel):
    """What the lab says of itself in lab.json."""

    api_host: str
    api_port: int
    ca_file: str
    token_id: str
    token_secret: str
    ssh_proxy_command: str = ""


def site(environment: str, *, root: Path, variables: Mapping[str, str] = os.environ) -> Site:
    """Its state folder is made when it is missing (0700); the lab's by the lab alone."""
    folder = state_folder(environment, root=root, variables=variables)
    if environment == LAB:
        # A mistyped LAB_STATE leaves no folder behind.
        proxy = read_lab(folder).ssh_proxy_command
        return Site(environment=environment, state=folder, root=root, ssh_proxy_command=proxy)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OperatorError(
            f"the folder {folder} cannot be made: {error.strerror}",
            next_step="see that HOME names a folder you may write to",
        ) from error
    return Site(environment=environment, state=folder, root=root)


def endpoint(
    desired: Desired, site: Site, *, variables: Mapping[str, str] = os.environ
) -> Endpoint:
    """The lab's own state for ENV=lab; else PROXMOX_*, then the inventory and ENV.token.

    Raises OperatorError when a part is missing.
    """
    if site.environment == LAB:
        lab = read_lab(site.state)
        own = read_token_file(token_file(site))
        return Endpoint(
            host=lab.api_host,
            port=lab.api_port,
            ca_file=site.state / lab.ca_file,
            token_id=own.get("PROXMOX_TOKEN_ID", lab.token_id),
            token_secret=own.get("PROXMOX_TOKEN_SECRET", lab.token_secret),
            is_lab=True,
        )
    text = variables.get("PROXMOX_HOST") or desired.api_host
    if not text:
        raise OperatorError(
            f"no API host for {site.environment}",
            next_step="set lxc_api_host in the inventory, or PROXMOX_HOST",
        )
    host, port = read_host(text)
    token_id, token_secret = read_token(site, variables)
    return Endpoint(
        host=host,
        port=read_port(variables.get("PROXMOX_PORT"), port or desired.api_port),
        ca_file=find_ca(variables.get("PROXMOX_CA_FILE") or desired.api_ca_file, site.state),
        token_id=token_id,
        token_secret=token_secret,
    )


def read_lab(folder: Path) -> Lab:
    file = folder / "lab.json"
    try:
        return Lab.model_validate_json(file.read_bytes())
    except OSError as error:
        problem = f"the lab of {folder} is not up: {error.strerror} (lab.json)"
        raise OperatorError(problem, next_step="start it: make up") from error
    except ValidationError as error:
        # Without the values: one of them is the token.
        wrong = (": ".join([*map(str, found["loc"]), found["msg"]]) for found in error.errors())
        raise OperatorError(
            f"{file} is damaged: {'; '.join(wrong)}", next_step="start the lab again: make up"
        ) from None


def token_file(site: Site) -> Path:
    """Where an operator's token lies; the lab's is in its lab.json until another one is made."""
    if site.environment == LAB:
        return site.state / "own.token"
    return site.state.with_name(f"{site.environment}.token")


def read_token(site: Site, variables: Mapping[str, str]) -> tuple[str, str]:
    """Both halves from the environment, or both from ENV.token: never one of each."""
    file = token_file(site)
    values = variables if variables.get("PROXMOX_TOKEN_ID") else read_token_file(file)
    token_id, secret = values.get("PROXMOX_TOKEN_ID", ""), values.get("PROXMOX_TOKEN_SECRET", "")
    if not token_id or not secret:
        missing = "PROXMOX_TOKEN_SECRET" if token_id else "PROXMOX_TOKEN_ID"
        raise OperatorError(
            f"no API token for {site.environment}: {missing} is not set",
            next_step=f"write PROXMOX_TOKEN_ID=.. and PROXMOX_TOKEN_SECRET=.. into {file} (0600); "
            f"'make doctor ENV={site.environment}' prints how to make a token",
        )
    if not (TOKEN_ID.fullmatch(token_id) and token_id.isascii() and token_id.isprintable()):
        raise OperatorError(
            f"PROXMOX_TOKEN_ID {token_id!r} is not user@realm!name",
            next_step="copy the full token id that 'pveum user token add' printed",
        )
    if not SECRET.fullmatch(secret):
        raise OperatorError(
            "PROXMOX_TOKEN_SECRET holds blanks or other characters that no secret has",
            next_step="copy the value that 'pveum user token add' printed: 36 characters",
        )
    return token_id, secret


def read_token_file(file: Path) -> dict[str, str]:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        lines = file.read_text().splitlines()
    except OSError:
        return {}
    if mode & 0o077:
        raise OperatorError(
            f"{file} can be read by others (mode {mode:04o})", next_step=f"run: chmod 600 {file}"
        )
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}


def read_host(text: str) -> tuple[str, int | None]:
    """Host and port of "srv-px1", "srv-px1:8006", "https://srv-px1:8006/", "fd00::1"."""
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(text.strip())), None
    found = HOST.fullmatch(text.strip())
    port = int(found["port"]) if found and found["port"] else None
    if found is None or (port is not None and port not in PORTS):
        raise OperatorError(
            f"{text!r} is not an API host",
            next_step="set PROXMOX_HOST or lxc_api_host to a name or address such as srv-px1",
        )
    return found["host"].strip("[]").lower(), port


def read_port(text: str | None, default: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or int(text) not in PORTS:
        raise OperatorError(
            f"PROXMOX_PORT {text!r} is not a port", next_step="set it to a number such as 8006"
        )
    return int(text)


def file_of(name: str, state: Path) -> Path:
    """Relative names count from the state folder. Raises OperatorError for no file name."""
    try:
        path = state / Path(name).expanduser()
    except RuntimeError as error:
        raise OperatorError(
            f"{name!r} begins with the home of a user who does not exist", next_step=CORRECT_FILE
        ) from error
    if not 0 < len(path.name.encode()) <= LONGEST_FILE_NAME:
        raise OperatorError(f"{name!r} cannot be the name of a file", next_step=CORRECT_FILE)
    return path


def find_ca(name: str | None, state: Path) -> Path | None:
    """Raises OperatorError when it is not there, or no certificate."""
    if not name:
        return None
    path = file_of(name, state)
    if not path.is_file():
        raise OperatorError(
            f"the CA file {path} does not exist",
            next_step=f"copy /etc/pve/pve-root-ca.pem from a node of the cluster to {path}",
        )
    try:
        ssl.create_default_context(cafile=str(path))
    except OSError as error:
        raise OperatorError(
            f"the CA file {path} holds no certificate: {error.strerror or error}",
            next_step="copy /etc/pve/pve-root-ca.pem from a node of the cluster over it",
        ) from error
    return path
