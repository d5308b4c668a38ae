"""Reach what is deployed: `make ssh`, `admin`, `factor-reset`, `audit`, `demo`,
`maintenance`, and the end of `make up`.

    python -m rollout.reach --env ENV ssh [--to GROUP_OR_NAME] [COMMAND...]
    python -m rollout.reach --env ENV address [--admin]
    python -m rollout.reach --env ENV factor-reset ACCOUNT
    python -m rollout.reach --env ENV audit [--since DAY] [--name ACCOUNT] [--json]
    python -m rollout.reach --env ENV demo [--yes --confirm ENV]
    python -m rollout.reach --env ENV maintenance on|off

Uses the ssh_config that provision wrote: host keys, jumps and key are the same as Ansible's.
"""

from __future__ import annotations

import argparse
import getpass
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from cryptography import x509

from provision.arguments import Parser, one_of
from provision.environment import ROOT, known
from provision.environment import state_folder as state_folder_of
from provision.errors import OperatorError, failing_as
from provision.inventory import load
from provision.ssh import Connections

# While it is there, the web hosts answer 503 with a page that says so (role nginx).
MAINTENANCE = "/etc/ctlv/maintenance"
ANSWERS_WITHIN_S = 5


def state_folder(environment: str) -> Path:
    """Raises OperatorError when there is no such environment."""
    if environment not in known():
        raise OperatorError(
            f"there is no inventory '{environment}'",
            next_step=f"give ENV= one of: {', '.join(known())}",
        )
    return state_folder_of(environment)


def addresses(environment: str, wanted: str) -> dict[str, str]:
    """Name -> ansible_host of the group or container `wanted`; OperatorError when there is none."""
    inventory = load(environment, root=ROOT)
    names = [wanted] if wanted in inventory.hosts else inventory.groups.get(wanted, ())
    if not names:
        groups = sorted(name for name, hosts in inventory.groups.items() if hosts)
        raise OperatorError(
            f"no container and no group with hosts is named '{wanted}' in inventory/{environment}",
            next_step="give HOST= one of: " + ", ".join([*groups, *sorted(inventory.hosts)]),
        )
    return {name: str(inventory.hosts[name]["ansible_host"]) for name in names}


def ssh_config(environment: str) -> Path:
    config = state_folder(environment) / "ssh_config"
    if not config.is_file():
        raise OperatorError(
            f"nothing is provisioned for ENV={environment}: {config} is missing",
            next_step=f"run `make up ENV={environment}`",
        )
    return config


def first_that_answers(config: Path, names: Sequence[str]) -> str:
    """Of several, one that is down stops nobody; of one alone nothing is asked."""
    ask = ["ssh", "-F", str(config), "-o", "BatchMode=yes"]
    ask += ["-o", f"ConnectTimeout={ANSWERS_WITHIN_S}"]
    for name in names if len(names) > 1 else ():
        if subprocess.run([*ask, name, "true"], check=False, capture_output=True).returncode == 0:
            return name
    return names[0]


def ssh(environment: str, to: str, command: list[str]) -> int:
    """Run `command` (none: a shell) on a host of `to`, at this terminal. Returns its status."""
    config = ssh_config(environment)
    name = first_that_answers(config, list(addresses(environment, to)))
    return subprocess.run(["ssh", "-F", str(config), name, *command], check=False).returncode


class Hosts:
    """The containers of an environment, and commands on them: one SSH connection to each."""

    def __init__(self, environment: str) -> None:
        self.config = ssh_config(environment)
        self.inventory = load(environment, root=ROOT)
        self.connections = Connections(self.config)

    def of(self, *groups: str) -> list[str]:
        return [name for group in groups for name in self.inventory.groups.get(group, ())]

    def first(self, group: str) -> str:
        if not self.of(group):
            raise OperatorError(
                f"the inventory has no host in the group {group}", next_step="add one to hosts.yml"
            )
        return first_that_answers(self.config, self.of(group))

    def way(self, host: str, *command: str) -> list[str]:
        """The words that run `command` there: one word is a line for the shell, several are not."""
        line = command[0] if len(command) == 1 else shlex.join(command)
        return [*self.connections.way(host), line]

    def run(
        self, host: str, *command: str, stdin: str = "", check: bool = True, timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """What `command` said there. Raises OperatorError when it failed and `check` says so."""
        try:
            ended = subprocess.run(
                self.way(host, *command),
                input=stdin,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise OperatorError(
                f"{host} did not answer in {timeout_s:.0f} s", next_step="run `make status`"
            ) from error
        if check and ended.returncode != 0:
            raise OperatorError(
                f"{host}: `{command[0].splitlines()[0][:60]}` ended with {ended.returncode}: "
                f"{ended.stderr.strip()[-400:]}",
                next_step="run `make status`, then `make logs`",
            )
        return ended

    def stream(self, host: str, command: str, *, to: IO[bytes]) -> None:
        try:
            ended = subprocess.run(
                self.way(host, command),
                stdout=to,
                stderr=subprocess.PIPE,
                timeout=3600,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise OperatorError(
                f"{host} did not send it within an hour", next_step="run `make status`"
            ) from error
        if ended.returncode != 0:
            raise OperatorError(
                f"{host}: {ended.stderr.decode(errors='replace').strip()[-300:]}",
                next_step="run `make status`",
            )

    def __enter__(self) -> Hosts:
        return self

    def __exit__(self, *_: object) -> None:
        self.connections.close()


def put_under_maintenance(hosts: Hosts, *, on: bool, why: str = "") -> None:
    """nginx looks for the file at each request; it stays through a restart of the container."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    text = f"since {at} by {getpass.getuser()} {why}".rstrip() + "\n"
    line = f"cat > {MAINTENANCE}.new && mv {MAINTENANCE}.new {MAINTENANCE}"
    for host in hosts.of("web", "rest"):
        hosts.run(host, line if on else f"rm -f {MAINTENANCE}", stdin=text)


def maintenance_notes(hosts: Hosts) -> list[str]:
    """What each web and REST host's file says: since when, by whom, why; "" where it serves."""
    asked = [hosts.run(h, f"cat {MAINTENANCE}", check=False) for h in hosts.of("web", "rest")]
    return [ended.stdout.strip() if ended.returncode == 0 else "" for ended in asked]


def web_root(environment: str) -> str:
    """In the lab the loopback forward, elsewhere the edges' address or the web container's own."""
    inventory = load(environment, root=ROOT)
    common = next(iter(inventory.hosts.values()))
    if edges := inventory.groups.get("edge"):
        address = inventory.hosts[edges[0]]["published_addresses"]["web"]
    else:
        address = next(iter(addresses(environment, "web").values()))
    tls = common.get("agenda_tls") or "off"
    scheme, port = ("http", 80) if tls == "off" else ("https", 443)
    forwards: dict[str, str] = {}
    if environment == "lab":
        file = state_folder(environment) / "lab.json"
        try:
            forwards = json.loads(file.read_text("utf-8"))["forwards"]
        except (OSError, ValueError, TypeError, KeyError) as error:
            problem = f"{file} cannot be read: {error}"
            raise OperatorError(problem, next_step="run `make up`") from error
    ours = [f"127.0.0.1:{here}" for here, to in forwards.items() if to == f"{address}:{port}"]
    name = named_in(Path(common.get("tls_site_file", ""))) if tls == "files" else ""
    return f"{scheme}://{ours[0] if ours else name or address}"


def named_in(certificate: Path) -> str:
    """The first name that a browser can ask for; "" when there is none but addresses."""
    try:
        extensions = x509.load_pem_x509_certificate(certificate.read_bytes()).extensions
        found = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError) as error:
        raise OperatorError(
            f"the certificate {certificate} cannot be read: {error}",
            next_step="set tls_site_file to a PEM file of this machine (group_vars/all/tls.yml)",
        ) from error
    except x509.ExtensionNotFound:
        return ""
    names = found.get_values_for_type(x509.DNSName)
    return next((name for name in names if not name.startswith("*")), "")


def manage(environment: str, *command: str) -> str:
    """What a management command of the agenda says; its own words where it fails, then ours."""
    with Hosts(environment) as hosts:
        ended = hosts.run(hosts.first("web"), "agenda-manage", *command, check=False)
    if ended.returncode != 0:
        print(ended.stderr.strip(), file=sys.stderr)
        raise OperatorError(
            f"the agenda could not run {command[0]} (see above)",
            next_step=f"try `make verify ENV={environment}`",
        )
    return ended.stdout.strip()


def say_address(environment: str, *, admin: bool) -> None:
    if admin:
        path = manage(environment, "agenda_first_admin")
        print("Open this once, within its time, to make the first administrator:")
        print(f"{web_root(environment)}{path}")
        print("It then asks for codes of an authenticator app: have a phone with one at hand.")
        return
    suffix = "" if environment == "lab" else f" ENV={environment}"
    print(f"\nThe agenda is at {web_root(environment)}/agenda")
    print(f"A first administrator: make admin{suffix} prints a single-use link.")


def fill_demo(environment: str, *, yes: bool, confirm: str) -> None:
    """An account with a believable week. Only the lab's password is printed: elsewhere a link that
    works once lets whoever holds it choose one.
    """
    if environment == "lab":
        said = manage(environment, "agenda_demo")
        print(f"{said}\nat {web_root(environment)}/agenda")
        return
    if not (yes and confirm == environment):
        raise OperatorError(
            f"this makes an account named demo, with example tasks, on {environment}",
            next_step=f"if you want that: make demo ENV={environment} YES=1 CONFIRM={environment}",
        )
    path = manage(environment, "agenda_demo", "--link")
    print("The account demo is filled. Open this once, within the hour, for its password:")
    print(f"{web_root(environment)}{path}")


def act(asked: argparse.Namespace) -> int:
    if asked.verb == "maintenance":
        with Hosts(asked.env) as hosts:
            put_under_maintenance(hosts, on=asked.state == "on")
        print(f"maintenance {asked.env}: {asked.state}")
    elif asked.verb == "demo":
        fill_demo(asked.env, yes=asked.yes, confirm=asked.confirm)
    elif asked.verb == "factor-reset":
        print(manage(asked.env, "agenda_factor_reset", "--", asked.name))
    elif asked.verb == "audit":
        given = [f"--since={asked.since}", f"--name={asked.name}", *(["--json"] * asked.json)]
        print(manage(asked.env, "agenda_audit", *given))
    elif asked.verb == "address":
        say_address(asked.env, admin=asked.admin)
    else:
        return ssh(asked.env, asked.to, asked.command)
    return 0


def main() -> int:
    parser = Parser(prog="python -m rollout.reach", description="Reach what is deployed.")
    parser.add_environment(default="lab")
    verbs = parser.add_subparsers(dest="verb", required=True)
    shell = verbs.add_parser("ssh", help="a shell on a container, or one command there")
    shell.add("--to", make="HOST", default="web", help="a group (its first host) or a container")
    shell.add_argument("command", nargs=argparse.REMAINDER)
    where = verbs.add_parser("address", help="where the agenda answers")
    where.add_argument(
        "--admin", action="store_true", help="a single-use link for an administrator"
    )
    factor = verbs.add_parser(
        "factor-reset", help="remove a lost second factor", next_step="make factor-reset NAME=alice"
    )
    factor.add("name", make="NAME", help="the account's")
    audit = verbs.add_parser("audit", help="what happened to accounts: audit.schema.json")
    audit.add("--since", make="SINCE", default="", help="a day or an instant: 2026-11-30T08:00")
    audit.add("--name", make="NAME", default="", help="of one account alone")
    audit.add("--json", make="JSON", action="store_true", help="for machines")
    demo = verbs.add_parser("demo", help="an account with a believable week")
    demo.add_answers()
    pause = verbs.add_parser(
        "maintenance",
        help="a page that says so instead of the agenda",
        next_step="make maintenance STATE=on, and STATE=off when it is over",
    )
    pause.add("state", make="STATE", type=one_of("on", "off"))
    asked = parser.parse()
    with failing_as("reach"):
        return act(asked)


if __name__ == "__main__":
    sys.exit(main())
