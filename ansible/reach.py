"""Reach what is deployed: `make ssh`, `logs`, `admin`, and the last words of `make up`.

    python ansible/reach.py --env ENV ssh [--to GROUP_OR_NAME] [COMMAND...]
    python ansible/reach.py --env ENV address [--admin]

Uses the ssh_config that provision wrote: host keys, jumps and key are the same as Ansible's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


class ReachError(Exception):
    """What is wrong, and what to do next, in two lines."""

    def __init__(self, problem: str, *, next_step: str) -> None:
        super().__init__(f"{problem}\n  Next: {next_step}")


def state_folder(environment: str) -> Path:
    if environment == "lab":
        return Path(os.environ.get("CTLV_LAB_STATE") or ROOT / ".lab").resolve()
    return Path.home() / ".config/ctlv" / environment


def read_inventory(environment: str) -> dict[str, Any]:
    """What `ansible-inventory --list` says, vault in clear included: keep names, addresses."""
    asked = subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible-inventory"),
            "--inventory",
            str(ROOT / "inventory" / environment),
            "--list",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if asked.returncode != 0:
        raise ReachError(
            f"inventory/{environment} cannot be read: {asked.stderr.strip()[-300:]}",
            next_step="give ENV= the name of a folder in inventory/",
        )
    return dict(json.loads(asked.stdout))


def addresses(environment: str, wanted: str) -> dict[str, str]:
    """Name -> ansible_host of the group or container `wanted`; ReachError when there is none."""
    groups = read_inventory(environment)
    everyone = groups.pop("_meta")["hostvars"]
    names = [wanted] if wanted in everyone else groups.get(wanted, {}).get("hosts", [])
    if not names:
        known = [*sorted(name for name in groups if groups[name].get("hosts")), *sorted(everyone)]
        raise ReachError(
            f"no container and no group with hosts is named '{wanted}' in inventory/{environment}",
            next_step="give HOST= one of: " + ", ".join(known),
        )
    return {name: str(everyone[name]["ansible_host"]) for name in names}


def ssh(environment: str, to: str, command: list[str], *, capture: bool = False) -> tuple[int, str]:
    """Run `command` (none: a shell) on the first host of `to`. Returns its status and output."""
    config = state_folder(environment) / "ssh_config"
    if not config.is_file():
        raise ReachError(
            f"nothing is provisioned for ENV={environment}: {config} is missing",
            next_step=f"run `make up ENV={environment}`",
        )
    name = next(iter(addresses(environment, to)))
    ended = subprocess.run(
        ["ssh", "-F", str(config), name, *command],
        check=False,
        text=True,
        stdout=subprocess.PIPE if capture else None,
    )
    return ended.returncode, ended.stdout or ""


def web_root(environment: str) -> str:
    """In the lab the loopback forward, elsewhere the web container's own address."""
    address = next(iter(addresses(environment, "web").values()))
    if environment != "lab":
        return f"http://{address}"
    lab = json.loads((state_folder(environment) / "lab.json").read_text("utf-8"))
    port = next(port for port, to in lab["forwards"].items() if to == f"{address}:80")
    return f"http://127.0.0.1:{port}"


def say_address(environment: str) -> int:
    suffix = "" if environment == "lab" else f" ENV={environment}"
    print(f"\nThe agenda is at {web_root(environment)}/agenda")
    print(f"A first administrator: make admin{suffix} prints a single-use link.")
    return 0


def say_admin_link(environment: str) -> int:
    status, path = ssh(environment, "web", ["agenda-manage", "agenda_first_admin"], capture=True)
    if status != 0:
        raise ReachError(
            "the agenda made no link (see above)", next_step=f"try `make verify ENV={environment}`"
        )
    print("Open this once, within its time, to make the first administrator:")
    print(f"{web_root(environment)}{path.strip()}")
    return 0


def act(asked: argparse.Namespace) -> int:
    if asked.verb == "ssh":
        return ssh(asked.env, asked.to, asked.command)[0]
    return say_admin_link(asked.env) if asked.admin else say_address(asked.env)


def main() -> int:
    parser = argparse.ArgumentParser(prog="reach", description="Reach what is deployed.")
    parser.add_argument("--env", default="lab", help="a folder of inventory/")
    verbs = parser.add_subparsers(dest="verb", required=True)
    shell = verbs.add_parser("ssh", help="a shell on a container, or one command there")
    shell.add_argument("--to", default="web", help="a group (its first host) or a container")
    shell.add_argument("command", nargs=argparse.REMAINDER)
    where = verbs.add_parser("address", help="where the agenda answers")
    where.add_argument(
        "--admin", action="store_true", help="a single-use link for an administrator"
    )
    try:
        return act(parser.parse_args())
    except ReachError as error:
        print(f"reach: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
