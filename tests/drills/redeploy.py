"""`make drill-redeploy`: people work while releases are switched, and not one request may fail.

Redeploys of a line more and rollbacks in turn, so that in the end the release serves that served
before; then releases that are broken in seven ways, each of which must be refused by name, on
every host. Every acknowledged write is looked up in the database, and the drill's account goes
with all it wrote.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from provision.arguments import Parser, whole
from provision.errors import OperatorError
from tests.drills import result
from tests.drills.broken import BROKEN
from tests.drills.consent import add_arguments, ask
from tests.drills.load import CLIENTS, Load, Outcome, trust
from tests.infra.evidence import DATABASE, MANAGE
from tests.infra.remote import Connections, RemoteError
from tests.infra.site import ROOT, Host, Site, read_site

T = TypeVar("T")
SWITCH_WITHIN_S = 900
# Once, however many hosts refuse it.
VERDICT = re.compile(r"release \S+ (failed before it had any traffic|served, and was found wrong)")
# A drill of twenty switches says little when hardly anybody asked meanwhile.
REQUESTS_OF_TWENTY = 5000


@dataclass(slots=True)
class Result:
    outcome: Outcome
    lost: set[str] = field(default_factory=set)
    redeploys_s: list[float] = field(default_factory=list)
    rollbacks_s: list[float] = field(default_factory=list)
    broken_s: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


@contextmanager
def tree_with(change: Callable[[Path], None]) -> Iterator[Path]:
    """What is committed here, changed, and unlike any other drill's."""
    with tempfile.TemporaryDirectory(prefix="ctlv-drill-") as folder:
        tree = Path(folder) / "tree"
        command = ["git", "clone", "--quiet", "--shared", str(ROOT), str(tree)]
        subprocess.run(command, check=True, timeout=60)
        # Not all of it may be committed, and the proof of a release reads it.
        shutil.copytree(ROOT / "inventory", tree / "inventory", dirs_exist_ok=True)
        change(tree)
        with (tree / "app/manage.py").open("a", encoding="utf-8") as file:
            file.write(f"# deployed by drill {secrets.token_hex(6)}\n")
        yield tree


def nothing(_tree: Path) -> None:
    """No change but the line that every tree of a drill has."""


def play(
    site: Site, tree: Path, playbook: str, *options: str
) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run a playbook of `tree` on this tree's inventory, of which not all may be committed; how it
    ended, and its seconds.
    """
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "--inventory"]
    command += [str(ROOT / "inventory" / site.environment), f"ansible/{playbook}.yml", *options]
    began = time.monotonic()
    try:
        ended = subprocess.run(
            command,
            cwd=tree,
            env={**os.environ, "CTLV_LAB_STATE": str(site.state)},
            capture_output=True,
            text=True,
            timeout=SWITCH_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OperatorError(
            f"{playbook} had not ended after {SWITCH_WITHIN_S} s",
            "run the drill when this machine has less to do; make deploy finishes what it began",
        ) from error
    return ended, time.monotonic() - began


def must(site: Site, tree: Path, playbook: str) -> float:
    ended, took_s = play(site, tree, playbook)
    if ended.returncode != 0:
        log = result.keep_log(f"{playbook}-failed", ended.stdout + ended.stderr)
        raise OperatorError(f"{playbook} failed: {refusal(ended.stdout)}", f"read {log}")
    print(f"  {playbook}: {took_s:.0f} s", flush=True)
    return took_s


def refusal(output: str) -> str:
    """The errors that Ansible showed, on one line: each host that refused tells its own."""
    shown = [part.partition("Origin:")[0] for part in output.split("[ERROR]: ")[1:]]
    return " / ".join(" ".join(one.split())[:300] for one in shown)


def serving(site: Site) -> dict[str, str]:
    """The release of each host."""
    return each(site, ["readlink", "/opt/agenda/current"], lambda said: said.strip().split("/")[-1])


def marked_bad(site: Site) -> dict[str, set[str]]:
    """The releases that each host has found bad."""
    bad = ["sh", "-c", "ls -d /opt/agenda/releases/*/BAD_RELEASE || true"]
    return each(site, bad, lambda said: {line.split("/")[-2] for line in said.split()})


def redeploys_and_rollbacks(site: Site, switches: int, seen: Result) -> None:
    for number in range(switches):
        if number % 2:
            seen.rollbacks_s.append(must(site, ROOT, "rollback"))
            continue
        with tree_with(nothing) as tree:
            seen.redeploys_s.append(must(site, tree, "redeploy"))


def broken_one(site: Site, name: str, seen: Result) -> None:
    before, bad = serving(site), marked_bad(site)
    with tree_with(BROKEN[name].breaks) as tree:
        ended, seen.broken_s[name] = play(site, tree, "redeploy")
    said = refusal(ended.stdout)
    print(f"  broken by {name}: {seen.broken_s[name]:.0f} s: {said}", flush=True)
    if ended.returncode == 0:
        seen.wrong.append(f"{name}: the redeploy succeeded")
    if len(VERDICT.findall(said)) != 1:
        seen.wrong.append(f"{name}: not said once: {said}")
    if BROKEN[name].says not in said:
        log = result.keep_log(f"broken-{name}", ended.stdout + ended.stderr)
        seen.wrong.append(f"{name}: the cause is not named; see {log}")
    if serving(site) != before:
        seen.wrong.append(f"{name}: another release serves: {serving(site)}, not {before}")
    marked = marked_bad(site)
    hosts = [host.name for group in ("web", "rest") for host in site.of(group)]
    unmarked = [host for host in hosts if marked[host] == bad[host]]
    if unmarked:
        seen.wrong.append(f"{name}: not marked bad on {', '.join(unmarked)}")


def on(site: Site, host: str | Host, command: list[str]) -> str:
    """What it says on a host, or a group's first, over a connection that no restart has cut."""
    connections = Connections(site)
    try:
        one = site.of(host)[0] if isinstance(host, str) else host
        return connections.place(one.name).run(command).stdout
    finally:
        connections.close()


def each(site: Site, command: list[str], read: Callable[[str], T]) -> dict[str, T]:
    """What it says on each host that serves releases."""
    connections = Connections(site)
    try:
        hosts = [*site.of("web"), *site.of("rest")]
        return {h.name: read(connections.place(h.name).run(command).stdout) for h in hosts}
    finally:
        connections.close()


def rows_of_the_probe(site: Site, database: str | Host = "database") -> set[str]:
    """Of several databases each is asked for what it has of its own, when it has all that was
    acknowledged until now.
    """
    sql = (
        "SET SESSION wsrep_sync_wait = 1;"  # noqa: S608 - constants
        f" SELECT task.id FROM `{DATABASE}`.task JOIN `{DATABASE}`.account"
        " ON task.owner_id = account.id WHERE account.is_probe"
    )
    return set(on(site, database, ["mariadb", "-NB", "-e", sql]).split())


@contextmanager
def person(site: Site) -> Iterator[dict[str, str]]:
    """An account of the drill's own; it goes with all it wrote."""
    probe = [MANAGE, "agenda_probe", "--purpose=drill"]
    account = json.loads(on(site, "web", [*probe, "create"]))
    # The release before 1.0 did not say how; whoever serves at the end takes a name.
    words = account.pop("remove", ["remove", f"--username={account['username']}"])
    try:
        yield account
    finally:
        # By the inventory of now: hosts may have come and gone.
        read_site.cache_clear()
        on(read_site(site.environment), "web", [*probe, *words])


def run(site: Site, *, switches: int, broken: list[str]) -> Result:
    """What the people saw, which acknowledged writes are lost, and what was wrong."""
    trust(site)
    with person(site) as account:
        # The small drill of `make test` has two processors, together with all other tests.
        with Load(site.url, account, people=min(CLIENTS, 2 + switches)) as load:
            seen = Result(load.outcome)
            redeploys_and_rollbacks(site, switches, seen)
            for name in broken:
                broken_one(site, name, seen)
        seen.lost = load.outcome.acknowledged - rows_of_the_probe(site)
    return seen


def faults(seen: Result, *, switches: int) -> list[str]:
    outcome = seen.outcome
    found = list(seen.wrong)
    if outcome.failures:
        found.append(f"{len(outcome.failures)} requests failed")
    if seen.lost:
        found.append(f"{len(seen.lost)} acknowledged writes are lost")
    if outcome.requests < REQUESTS_OF_TWENTY * switches / 20:
        found.append(f"only {outcome.requests} requests were made")
    return found


def table(seen: Result) -> str:
    lines = [
        "| what | result |",
        "|---|---|",
        f"| people saw | {seen.outcome.summary()} |",
        f"| acknowledged writes lost | {len(seen.lost)} |",
        f"| redeploys | {result.spread(seen.redeploys_s)} |",
        f"| rollbacks | {result.spread(seen.rollbacks_s)} |",
    ]
    for name, took_s in seen.broken_s.items():
        lines.append(f"| broken by {name} | refused after {took_s:.0f} s |")
    return "\n".join(lines)


def some_broken(text: str) -> list[str]:
    names = [] if text == "none" else text.split(",")
    if not set(names) <= set(BROKEN):
        raise argparse.ArgumentTypeError(f"is '{text}'; possible are {', '.join(BROKEN)}, or none")
    return names


def main() -> int:
    parser = Parser(prog="python -m tests.drills.redeploy", description=__doc__)
    add_arguments(parser)
    parser.add(
        "--switches", make="SWITCHES", type=whole(0), default=20, help="an even number, default 20"
    )
    parser.add(
        "--broken",
        make="BROKEN",
        type=some_broken,
        default=list(BROKEN),
        help=f"some of {', '.join(BROKEN)} (commas between them), or none",
    )
    given = parser.parse()
    try:
        ask(given, drill="drill-redeploy", what=f"switches releases {given.switches} times")
        seen = run(read_site(given.env), switches=given.switches, broken=given.broken)
    except (OperatorError, RemoteError) as error:
        print(error, file=sys.stderr)
        return 1
    found = faults(seen, switches=given.switches)
    kept = result.keep("redeploy", table(seen), wrong=found, recorded=given.keep)
    print(f"{table(seen)}\n{''.join(f'WRONG: {line}' + chr(10) for line in found)}Kept in {kept}.")
    print(
        f"drill-redeploy {given.env}: {'FAILED' if found else 'passed'}: {seen.outcome.summary()}, "
        f"{len(seen.lost)} acknowledged writes lost"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
