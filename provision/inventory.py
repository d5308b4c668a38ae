"""Read the inventory of one environment through Ansible itself. The vault is never read."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from provision import inventorycache, inventoryfiles
from provision.environment import known
from provision.errors import OperatorError

KEPT = re.compile(
    r"lxc_\w+|ctlv_environment|ctlv_deployment_id|ansible_host"
    # What rollout and verify ask about a site.
    r"|agenda_tls|agenda_admin_networks|tls_site_file|base_open_ports|published_addresses|verify_vantage"
    r"|metrics_scrapers"
)
KEY_AT_LINE_START = re.compile(rf"({KEPT.pattern})\s*:")
# What lies in its folder for git and is no inventory (ansible.cfg, ignore_extensions).
BESIDE = (".pub", ".age")
VAULT_HEADER = b"$ANSIBLE_VAULT"
TIMEOUT_S = 60.0
# How many hosts a group may have, and why no other number.
SIZES = {
    "database": (
        (1, 3),
        "the rows are on one host, or on three, of which two outvote one that is cut off: with two "
        "or four neither half may go on, and each more waits for one more at every write",
    ),
    "edge": (
        (0, 2),
        "what stands before all web hosts is two, for one alone takes all with it and a third "
        "never serves; or nothing",
    ),
}
# Not the project's: that one names a vault client, which must not be asked here. A file that cannot
# be read is a failure, not a warning and an inventory without its hosts; and so is a key that is
# written twice, of which the last one would count.
CONFIGURATION = """\
[defaults]
duplicate_dict_key = error
[inventory]
any_unparsed_is_failed = True
"""
ENVIRONMENT = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The variables of the hosts in the group `containers`, and where each of them is written."""

    environment: str
    hosts: Mapping[str, Mapping[str, Any]]
    # The hosts of each group, those of its children included, as the inventory orders them.
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    # Host and variable -> file and line; looked up when there is a mistake to tell, for it is slow.
    places: Callable[[], Mapping[tuple[str, str], str]] = field(default=dict, compare=False)

    def place(self, host: str, key: str) -> str:
        """File and line of a variable; where it belongs, when it is written nowhere."""
        default = f"inventory/{self.environment}/host_vars/{host}/container.yml"
        if key == inventoryfiles.NAME:
            default = f"inventory/{self.environment}/hosts.yml"
        return self.places().get((host, key), default)


def load(environment: str, *, root: Path) -> Inventory:
    """Return what `ansible-inventory --list` says of inventory/ENV, the names in KEPT only.

    Raises OperatorError when there is no such inventory or Ansible cannot read it.
    """
    folder = root / "inventory" / environment
    if not ENVIRONMENT.fullmatch(environment) or not (folder / "hosts.yml").is_file():
        found = ", ".join(known(root=root)) or "none"
        raise OperatorError(
            f"there is no inventory {environment!r} (found: {found})",
            next_step="give one of them as ENV=..., or copy inventory/srv-px5 and edit it",
        )
    if nowhere := inventoryfiles.links_to_nothing(folder):
        raise OperatorError(
            "\n  ".join(f"{link} leads to nothing" for link in nowhere),
            next_step="keep environments side by side below inventory/, with what they share",
        )
    groups, hosts = listed(folder)
    if not hosts:
        raise OperatorError(
            f"inventory/{environment} has no host in the group 'containers'",
            next_step=f"add web and database hosts to inventory/{environment}/hosts.yml",
        )
    check_sizes(environment, groups)
    places = cache(lambda: find_places(folder, groups))
    return Inventory(environment=environment, hosts=hosts, groups=groups, places=places)


def check_sizes(environment: str, groups: Mapping[str, Sequence[str]]) -> None:
    """Raises OperatorError for a group that has another number of hosts than SIZES allows."""
    for group, (allowed, why) in SIZES.items():
        hosts = groups.get(group, ())
        # An inventory of something else than a site has no web container.
        if groups.get("web") and len(hosts) not in allowed:
            named = f": {', '.join(hosts)}" if hosts else ""
            raise OperatorError(
                f"the group {group} of inventory/{environment} has {len(hosts)} hosts{named}; "
                f"{why}",
                next_step=f"let it have {' or '.join(map(str, allowed))} in the inventory's hosts "
                "files; nothing was called",
            )


def listed(folder: Path) -> tuple[dict[str, list[str]], dict[str, dict[str, Any]]]:
    """The hosts of each group, and the kept variables of each container."""
    name = inventorycache.key(folder, readable_files(folder))
    cached = inventorycache.load(name) if name else None
    if cached is None:
        listing = ansible_inventory(folder)
        groups = members(listing)
        cached = {
            "groups": groups,
            "hosts": {
                host: {key: value for key, value in variables.items() if KEPT.fullmatch(key)}
                for host, variables in listing.get("_meta", {}).get("hostvars", {}).items()
                if host in groups.get("containers", ())
            },
        }
        if name:
            inventorycache.save(name, cached)
    return cached["groups"], cached["hosts"]


def readable_files(folder: Path) -> Iterator[Path]:
    """Every file that Ansible is shown: no keys, and none that is encrypted."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from readable_files(path)
        elif path.suffix not in BESIDE and not is_encrypted(path):
            yield path


def ansible_inventory(folder: Path) -> dict[str, Any]:
    """Run ansible-inventory over links to all files but the encrypted ones: it asks no password."""
    try:
        with tempfile.TemporaryDirectory(prefix="ctlv-inventory-") as copy:
            for file in readable_files(folder):
                link = Path(copy, folder.name, file.relative_to(folder))
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(file.resolve())
            done = list_copy(Path(copy), folder.name)
            if done.returncode == 0:
                listing: dict[str, Any] = json.loads(done.stdout)
                return listing
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise OperatorError(
            f"ansible-inventory did not work: {error}",
            next_step="make the tools anew: setup/machine, or make up",
        ) from error
    # Ansible names the mistake, and seldom the file.
    wrong = inventoryfiles.mistakes(folder, readable_files(folder))
    reason = first_error(done.stderr.replace(copy, "inventory"))
    raise OperatorError(
        "\n  ".join([f"Ansible cannot read inventory/{folder.name}: {reason}", *wrong]),
        next_step="correct the lines named above; nothing was called"
        if wrong
        else f"run: ansible-inventory -i inventory/{folder.name} --list",
    )


def list_copy(copy: Path, name: str) -> subprocess.CompletedProcess[str]:
    """In the operator's environment without what would steer Ansible or ask for a password."""
    config = copy / "ansible.cfg"
    config.write_text(CONFIGURATION)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-inventory"), "-i", copy / name, "--list"],
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        # Ansible refuses to start without a UTF-8 locale.
        env={**kept, "ANSIBLE_CONFIG": str(config), "LC_ALL": "C.UTF-8"},
    )


def is_encrypted(path: Path) -> bool:
    """What cannot be read is passed over as well."""
    try:
        with path.open("rb") as file:
            return file.read(len(VAULT_HEADER)) == VAULT_HEADER
    except OSError:
        return True


def first_error(text: str) -> str:
    """The line of Ansible's output that says what is wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("ERROR", "[ERROR]"))]
    return (telling or lines or ["no reason given"])[0][:300]


def members(listing: Mapping[str, Any]) -> dict[str, list[str]]:
    """The hosts of each group, those of its children included."""

    def hosts_of(group: str) -> Iterator[str]:
        entry = listing.get(group, {})
        yield from entry.get("hosts", [])
        for child in entry.get("children", []):
            yield from hosts_of(child)

    return {group: list(dict.fromkeys(hosts_of(group))) for group in listing if group != "_meta"}


def find_places(folder: Path, groups: Mapping[str, Collection[str]]) -> dict[tuple[str, str], str]:
    """Where each kept variable of each host is written: the file that wins, and the line."""
    inline = list(inventoryfiles.places(folder))
    places = {
        (host, key): place
        for kind, group, key, place in inline
        if kind == "group"
        for host in groups.get(group, ())
    }
    wide_to_narrow = sorted(groups, key=lambda group: (group != "all", -len(groups[group])))
    for group in wide_to_narrow:
        for key, place in keys_below(folder, folder / "group_vars" / group):
            places.update({(host, key): place for host in groups[group]})
    places.update({(name, key): place for kind, name, key, place in inline if kind == "host"})
    for host in groups.get("all", ()):
        for key, place in keys_below(folder, folder / "host_vars" / host):
            places[(host, key)] = place
    return places


def keys_below(folder: Path, stem: Path) -> Iterator[tuple[str, str]]:
    """Keys and places in `stem`.yml, or in the files of the folder `stem`, in Ansible's order."""
    single = stem.with_name(f"{stem.name}.yml")
    for file in readable_files(stem) if stem.is_dir() else [single]:
        if is_encrypted(file):
            continue
        shown = inventoryfiles.shown(folder, file)
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), start=1):
            if match := KEY_AT_LINE_START.match(line):
                yield match[1], f"{shown}:{number}"
