"""Another environment beside one that is there: `make environment NAME= FROM= SHIFT=`.

    python -m rollout.environments staging --from srv-px5 --shift 20

A folder of inventory/ with what differs: names, VMIDs and addresses, each SHIFT higher. What is
shared stays shared by its links. Secrets are its own (`make secrets`); operators are the same.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from provision import files
from provision.arguments import Parser, whole
from provision.desired import Desired, desired
from provision.environment import LAB, ROOT, known
from provision.errors import OperatorError, failing_as
from provision.inventory import load

NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")
# Of the environment that it is made from alone: its secrets, and what its authority is known by.
OWN = (*("vault.yml", "backup-key.pub", "operators.age", "certificate-authority.txt"),)
CLIENT = "{name}@ansible/vault-client"
ASSUMED = "# `make environment` counted these; apply creates nothing while a line is left: check each, then remove it.\n"  # noqa: E501 - one line, for people


def made(root: Path, name: str, source: str, *, shift: int) -> str:
    """Write inventory/NAME, whole or not at all. Raises OperatorError."""
    folder = root / "inventory" / name
    if not NAME.fullmatch(name) or name in known(root=root) or folder.exists():
        raise OperatorError(
            f"'{name}' cannot be a new environment: "
            + ("it is there" if folder.exists() else "small letters, digits, dashes, 20 at most"),
            next_step="give NAME= another, such as NAME=staging",
        )
    if source == LAB or source not in known(root=root):
        there = ", ".join(f"FROM={one}" for one in known(root=root) if one != LAB)
        raise OperatorError(f"FROM is '{source}', which is none to copy", next_step=f"give {there}")
    desired(load(source, root=root))  # what is mistaken there is said before it is copied
    # Also of hosts that hosts-rest.yml.txt keeps for later.
    written_for = (root / "inventory" / source).glob("host_vars/*/container.yml")
    hosts = {path.parent.name: yaml.safe_load(path.read_text("utf-8")) for path in written_for}
    names = {host: f"{host}-{name}" for host in hosts}
    names[f".config/ctlv/{source}"] = f".config/ctlv/{name}"
    # And what hosts get when edges take their addresses.
    later = (root / "inventory" / source).glob("host_vars/*/edge.yml*")
    moved = [hosts[path.parent.name] | yaml.safe_load(path.read_text("utf-8")) for path in later]
    rewritten = shifted([*hosts.values(), *moved], shift=shift)
    with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=folder.parent) as place:
        copy = Path(place) / name
        shutil.copytree(
            root / "inventory" / source, copy, symlinks=True, ignore=shutil.ignore_patterns(*OWN)
        )
        for path in list(written(copy)):
            path.write_text(renamed(rewritten(path.read_text("utf-8")), names), "utf-8")
        for path in sorted(copy.glob("host_vars/*")):
            path.rename(path.with_name(names[path.name]))
        mark(copy, name)
        copy.rename(folder)
    try:
        after = desired(load(name, root=root))
        check_apart(after, [desired(load(one, root=root)) for one in others(root, name)])
    except OperatorError:
        shutil.rmtree(folder)
        raise
    assume(folder, after)
    register(root / "ansible.cfg", name)
    return (
        f"inventory/{name} is made from {source}: "
        + ", ".join(f"{wanted.host} {wanted.vmid} {wanted.address}" for wanted in after.containers)
        + f"\n  Next: read inventory/{name}, empty its lxc_assumed, make secrets ENV={name}, "
        f"commit it with ansible.cfg; make doctor ENV={name}, make up ENV={name}"
    )


def written(folder: Path) -> Iterator[Path]:
    """Its own files, without what is shared."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            yield from written(path)
        elif path.suffix in {".yml", ".txt"} and not path.is_symlink():
            yield path


def shifted(hosts: Iterable[Mapping[str, Any]], *, shift: int) -> Callable[[str], str]:
    """A text with every VMID and address of these in the place of the one SHIFT higher."""
    new: dict[str, str] = {}
    for host in hosts:
        new[str(host["lxc_vmid"])] = str(host["lxc_vmid"] + shift)
        for nic in host["lxc_nics"]:
            interface = ipaddress.ip_interface(nic["address"])
            last = int(interface.network.broadcast_address)
            if int(interface.ip) + shift >= last:
                raise OperatorError(
                    f"{interface.ip} and {shift} more is no address for a host of "
                    f"{interface.network}",
                    next_step="give a smaller SHIFT=, such as SHIFT=20",
                )
            new[str(interface.ip)] = str(interface.ip + shift)
    longest_first = sorted(new, key=len, reverse=True)
    known_ones = re.compile(rf"(?<![\w.])({'|'.join(map(re.escape, longest_first))})(?![\w.])")
    return lambda text: known_ones.sub(lambda found: new[found[1]], text)


def renamed(text: str, names: dict[str, str]) -> str:
    for old, new in names.items():
        text = re.sub(rf"(?<![\w-]){re.escape(old)}(?![\w-])", new, text)
    return text


def mark(folder: Path, name: str) -> None:
    """By these a container is known to be this environment's."""
    file = folder / "group_vars/all/environment.yml"
    text = file.read_text("utf-8")
    for key, value in (("ctlv_environment", name), ("ctlv_deployment_id", secrets.token_hex(8))):
        text = re.sub(rf"^{key}: .*$", f"{key}: {value}", text, flags=re.MULTILINE)
    file.write_text(text, "utf-8")


def others(root: Path, name: str) -> list[str]:
    return [one for one in known(root=root) if one not in {name, LAB}]


def addresses(of: Desired) -> set[str]:
    nics = (nic for wanted in of.containers for nic in wanted.container.nics)
    return {nic.ip.partition("/")[0] for nic in nics if nic.ip}


def check_apart(new: Desired, there: list[Desired]) -> None:
    """It takes nothing that another environment has."""
    for other in there:
        vmids = {wanted.vmid for wanted in other.containers}
        taken = [str(w.vmid) for w in new.containers if w.vmid in vmids]
        taken += sorted(addresses(new) & addresses(other))
        if taken:
            raise OperatorError(
                f"{other.environment} has {', '.join(taken)} already",
                next_step="give another SHIFT=: so much is added to each VMID and address",
            )


def assume(folder: Path, new: Desired) -> None:
    """What was counted is a guess until somebody confirmed it."""
    file = folder / "group_vars/all/containers.yml"
    text = re.sub(
        r"^(#[^\n]*\n)*lxc_assumed:.*?(?=^\S|\Z)", "", file.read_text("utf-8"), flags=re.S | re.M
    )
    vmids = ", ".join(str(wanted.vmid) for wanted in new.containers)
    lines = (
        f"VMIDs {vmids} are free and ours (lxc_vmid in host_vars)",
        f"{', '.join(sorted(addresses(new)))} are ours (lxc_nics in host_vars)",
    )
    text += ASSUMED + "lxc_assumed:\n" + "".join(f'  - "{line}"\n' for line in lines)
    file.write_text(text, "utf-8")


def register(configuration: Path, name: str) -> None:
    """Its vault's password is asked of the same program as the others'."""
    text = configuration.read_text("utf-8")
    client = CLIENT.format(name=name)
    text = re.sub(r"^(vault_identity_list = .*)$", rf"\1, {client}", text, flags=re.MULTILINE)
    files.write_atomically(configuration, text, mode=files.PUBLIC)


def main() -> None:
    parser = Parser(
        prog="python -m rollout.environments",
        description="Another environment beside one that is there.",
        next_step="make environment NAME=staging FROM=srv-px5 SHIFT=20",
    )
    parser.add("name", make="NAME", help="of the new one")
    parser.add("--from", make="FROM", dest="source", required=True, help="the one to copy")
    parser.add("--shift", make="SHIFT", type=whole(1, 9999), required=True, help="to add to each")
    asked = parser.parse()
    with failing_as("environment"):
        print(f"environment: {made(ROOT, asked.name, asked.source, shift=asked.shift)}")


if __name__ == "__main__":
    main()
