"""What site.yml, redeploy, rollback and verify cost, and where the seconds go.

    python -m tests.bench.rollout --env lab [--rounds 3] [--switches 2] [--keep]

site.yml with nothing to change is compared, in turn with it, with a playbook that makes as many
calls of a module that does nothing, on the same hosts, over the same connections: machines differ,
and this one is rarely idle. `--keep` writes the section "Rollout" of docs/bench.md.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from provision.arguments import Parser, whole
from provision.errors import OperatorError
from tests.bench.document import machine_line, replace_section
from tests.drills.consent import add_arguments
from tests.drills.redeploy import must, nothing, tree_with
from tests.infra.site import ROOT, Site, read_site

# What runs on the controller alone; all else is a call on a host.
LOCAL = {"add_host", "assert", "debug", "fail", "group_by", "include_role", "include_tasks", "meta",
         "pause", "set_fact", "validate_argument_spec"}  # fmt: skip
PLAY_WITHIN_S = 900


def play(site: Site, playbook: str, *, events: bool = False) -> tuple[str, float]:
    """What Ansible printed, and its seconds."""
    shown = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.jsonl"} if events else {}
    began = time.monotonic()
    ended = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "ansible-playbook"), "--inventory"),
            *(str(ROOT / "inventory" / site.environment), playbook),
        ],
        cwd=ROOT,
        env={**os.environ, "CTLV_LAB_STATE": str(site.state), **shown},
        capture_output=True,
        text=True,
        timeout=PLAY_WITHIN_S,
        check=False,
    )
    if ended.returncode != 0:
        raise OperatorError(f"{playbook} failed: {ended.stdout[-800:]}", "run it alone")
    return ended.stdout, time.monotonic() - began


def calls(printed: str) -> list[tuple[tuple[str, ...], int]]:
    """For each task, in order: the hosts it called a module on, and how often on each."""
    found = []
    for line in printed.splitlines():
        if line.startswith("{") and (event := json.loads(line)).get("_event") == "v2_runner_on_ok":
            counts = {host: count_of(result) for host, result in event["hosts"].items()}
            hosts = tuple(sorted(host for host, count in counts.items() if count))
            if hosts:
                found.append((hosts, max(counts.values())))
    return found


def count_of(result: dict[str, Any]) -> int:
    if str(result.get("action", "")).rpartition(".")[2] in LOCAL or result.get("skipped"):
        return 0
    items = result.get("results")
    if items is None:
        return 1
    return sum(1 for item in items if not item.get("skipped"))


def as_many_that_do_nothing(wanted: Sequence[tuple[tuple[str, ...], int]], target: Path) -> int:
    """Write a playbook with one call of `stat` for each of `wanted`; how many there are."""
    task = {"name": "Nothing", "ansible.builtin.stat": {"path": "/", "get_checksum": False}}
    plays = [
        {"hosts": ",".join(hosts), "gather_facts": False, "tasks": [task] * count}
        for hosts, count in wanted
    ]
    target.write_text(yaml.safe_dump(plays), encoding="utf-8")
    return sum(count for _, count in wanted)


def compare(site: Site, rounds: int) -> tuple[list[float], list[float], int]:
    printed, _ = play(site, "ansible/site.yml", events=True)
    ours, bare = [], []
    with tempfile.TemporaryDirectory(prefix="ctlv-bench-") as folder:
        nothing_at_all = Path(folder) / "nothing.yml"
        count = as_many_that_do_nothing(calls(printed), nothing_at_all)
        for number in range(rounds):
            ours.append(play(site, "ansible/site.yml")[1])
            bare.append(play(site, str(nothing_at_all))[1])
            print(f"  round {number + 1}: site.yml {ours[-1]:.1f} s, {count} calls that do nothing "
                  f"{bare[-1]:.1f} s", flush=True)  # fmt: skip
    return ours, bare, count


def dearest(printed: str, number: int = 5) -> str:
    found = re.findall(r"^(\S.*?) -+ ([\d.]+)s$", printed, flags=re.MULTILINE)
    seconds = Counter({name.replace("|", "\\|"): float(value) for name, value in found})
    return ", ".join(f"{name} {value:.1f}" for name, value in seconds.most_common(number))


def row(what: str, seconds: Sequence[float], note: str) -> str:
    middle = statistics.median(seconds)
    return f"| {what} | {middle:.1f} | {min(seconds):.1f} to {max(seconds):.1f} | {note} |"


def report(site: Site, *, rounds: int, switches: int) -> str:
    ours, bare, count = compare(site, rounds)
    ratio = statistics.median([a / b for a, b in zip(ours, bare, strict=True)])
    rows = [
        "| what | s, middle | from, to | |",
        "|---|---|---|---|",
        row("site.yml, nothing to change", ours, f"{ratio:.2f} times as long as the next line"),
        row(f"{count} calls that do nothing", bare, "same hosts, same connections, in turn"),
    ]
    printed, took_s = play(site, "ansible/redeploy.yml")
    rows.append(row("redeploy, nothing to change", [took_s], f"dearest: {dearest(printed)}"))
    redeploys, rollbacks = [], []
    for _ in range(switches):
        with tree_with(nothing) as tree:
            redeploys.append(must(site, tree, "redeploy"))
        rollbacks.append(must(site, ROOT, "rollback"))
    if switches:
        rows.append(row("redeploy of a line more", redeploys, "questions and proof included"))
        rows.append(row("rollback", rollbacks, "questions included"))
    began = time.monotonic()
    verify = [sys.executable, "-m", "tests.infra", "--env", site.environment]
    ended = subprocess.run(verify, cwd=ROOT, capture_output=True, timeout=600, check=False)
    note = "all proofs" if ended.returncode == 0 else f"exit {ended.returncode}"
    rows.append(row("verify", [time.monotonic() - began], note))
    return "\n".join(rows)


def main() -> int:
    parser = Parser(prog="python -m tests.bench.rollout", description=__doc__)
    add_arguments(parser)
    parser.add("--rounds", make="ROUNDS", type=whole(1), default=3)
    parser.add_argument("--switches", type=int, default=2)
    given = parser.parse()
    try:
        text = report(read_site(given.env), rounds=given.rounds, switches=given.switches)
    except OperatorError as error:
        print(error, file=sys.stderr)
        return 1
    load = f"load {os.getloadavg()[1]:.1f} in the last 5 minutes"
    print(f"\n{text}\n{machine_line(ROOT)}, {load}")
    if given.keep:
        command = f"`python -m tests.bench.rollout --rounds {given.rounds}`"
        body = f"{command}, {machine_line(ROOT)}, {load}\n\n{text}"
        replace_section(ROOT / "docs/bench.md", "Rollout", body)
    return 0


if __name__ == "__main__":
    sys.exit(main())
