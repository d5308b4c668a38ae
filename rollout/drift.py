"""`make drift`: does anything differ from the inventory? Changes nothing.

    python -m rollout.drift --env ENV [--json]

Four questions: what Proxmox has (provision), what deploy would change in the containers (site.yml
in check mode), what is in effect there that no package and no deploy explains (in_effect.py), and
the database's schema (the release that serves). Exits 0 when nothing differs, 2 when something
does, 1 when it could not be found out. Tasks that carry a secret say that they differ, never how.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from provision.arguments import Parser
from provision.environment import ROOT
from provision.errors import OperatorError
from rollout.play import ansible_playbook
from rollout.reach import Hosts
from rollout.release.build import MANIFEST, cache

SAME, FAILED, DIFFERS = 0, 1, 2
DIFF_LINES_MAX = 12
WITHIN_S = 1800
IN_EFFECT = Path(__file__).with_name("in_effect.py")
LOOKS_WITHIN_S = 300

Finding = dict[str, Any]
"""`where`, `what`, and `how` (lines), or `failed` instead of `how`."""


def proxmox(environment: str) -> Iterator[Finding]:
    ended = subprocess.run(
        [sys.executable, "-m", "provision", "drift", "--env", environment, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    if ended.returncode == SAME:
        return
    if ended.returncode != DIFFERS:
        said = ended.stderr.strip().splitlines() or ["no answer"]
        yield {"where": "proxmox", "what": "containers", "failed": said}
        return
    yield {"where": "proxmox", "what": "containers", "how": json.loads(ended.stdout)}


def guests(environment: str, declared: Path) -> Iterator[Finding]:
    """`declared`: a file to which each task adds the paths that it writes, by host."""
    ended = ansible_playbook(
        *("--inventory", f"inventory/{environment}", "--check", "--diff", "ansible/site.yml"),
        capture_output=True,
        timeout_s=WITHIN_S,
        ANSIBLE_STDOUT_CALLBACK="ansible.posix.json",
        ANSIBLE_CALLBACKS_ENABLED="ansible.posix.json",
        CTLV_DECLARED=str(declared),
    )
    said = (ended.stderr or ended.stdout).strip().splitlines()[-3:]
    failed = {"where": "containers", "what": "site.yml in check mode", "failed": said}
    try:
        found = list(from_ansible(json.loads(ended.stdout[ended.stdout.index("{") :])))
    except ValueError:
        yield failed
        return
    yield from found
    # It failed elsewhere than in a task: what it did not get to is not known to be the same.
    if ended.returncode != 0 and status(found) != FAILED:
        yield failed


def from_ansible(told: dict[str, Any]) -> Iterator[Finding]:
    """What differs or failed, of the report of ansible.posix.json. Pure."""
    for play in told.get("plays", []):
        for task in play.get("tasks", []):
            for host, result in sorted(task.get("hosts", {}).items()):
                where = {"where": host, "what": task["task"]["name"]}
                if result.get("failed") or result.get("unreachable"):
                    message = str(result.get("msg", "")).strip() or "no message"
                    yield {**where, "failed": message.splitlines()}
                elif result.get("changed"):
                    yield {**where, "how": list(_how(result))}


def _how(result: dict[str, Any]) -> Iterator[str]:
    """Lines that tell what would change; none where Ansible keeps it secret."""
    if "censored" in result:
        yield "(a secret: not shown)"
        return
    for item in [result, *result.get("results", [])]:
        diffs = item.get("diff") or []
        for diff in diffs if isinstance(diffs, list) else [diffs]:
            name = diff.get("after_header") or diff.get("before_header") or ""
            before, after = _lines(diff.get("before")), _lines(diff.get("after"))
            shown = [f"- {line}" for line in before if line not in after]
            shown += [f"+ {line}" for line in after if line not in before]
            yield from ([f"{name}:"] if name and shown else []) + shown[:DIFF_LINES_MAX]


def _lines(text: Any) -> list[str]:
    if isinstance(text, dict):
        return [f"{key}: {value}" for key, value in sorted(text.items())]
    return str(text or "").splitlines()


def in_effect(hosts: Hosts, declared: Mapping[str, Any], releases: Path) -> Iterator[Finding]:
    """What each host does beside what deploy declared; `releases`: what was built here."""
    program = IN_EFFECT.read_text("utf-8")
    names = hosts.of("containers")

    def look(host: str) -> list[Finding]:
        paths = declared.get(host, {"declared": [], "absent": []})
        words = ("python3", "-", "look", json.dumps(paths))
        asked = hosts.run(host, *words, stdin=program, check=False, timeout_s=LOOKS_WITHIN_S)
        try:
            told = json.loads(asked.stdout)
        except ValueError:
            told = {"failed": (asked.stderr.strip().splitlines() or ["no answer"])[-1]}
        return list(judged(host, told, releases))

    with ThreadPoolExecutor(max_workers=8) as pool:
        for found in pool.map(look, names):
            yield from found


def judged(host: str, told: Mapping[str, Any], releases: Path) -> Iterator[Finding]:
    """One finding a kind. The manifest of a release that was built here must be the one built."""
    if "failed" in told:
        yield {"where": host, "what": "what is in effect", "failed": [told["failed"]]}
        return
    by_kind = defaultdict(list)
    for kind, name, wrong in told["found"]:
        by_kind[kind].append(f"{name}: {wrong}")
    for release, found in told["manifests"].items():
        wanted = manifest_built_here(releases / f"{release}.tar.gz")
        if wanted not in ("", found):
            by_kind["release"].append(f"{release}: its {MANIFEST} is not the one built here")
    for kind, how in by_kind.items():
        yield {"where": host, "what": kind, "how": how}


def manifest_built_here(archive: Path) -> str:
    """Its SHA-256; "" when this machine did not build that release."""
    try:
        with tarfile.open(archive) as tar:
            file = tar.extractfile(MANIFEST)
            return hashlib.sha256(file.read()).hexdigest() if file else ""
    except (OSError, KeyError, tarfile.TarError):
        return ""


def read_declared(lines: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """Host -> the paths that deploy writes and removes there. What a later task writes stays."""
    found: dict[str, dict[str, list[str]]] = {}
    for told in map(json.loads, lines):
        paths = found.setdefault(told["host"], {"declared": [], "absent": []})
        for which in paths:
            paths[which] = sorted({*paths[which], *told[which]})
    return found


def schema(hosts: Hosts) -> Iterator[Finding]:
    """The database's, beside the models of a release, and what each host's would migrate."""
    where = {"where": hosts.first("database"), "what": "schema"}
    asked = hosts.run(hosts.first("web"), "agenda-manage agenda_schema", check=False)
    if asked.returncode != 0:
        yield {**where, "failed": asked.stderr.strip().splitlines()[-2:] or ["no answer"]}
    elif asked.stdout.strip():
        yield {**where, "how": asked.stdout.splitlines()}
    for host in hosts.of("web"):
        where = {"where": host, "what": "schema"}
        asked = hosts.run(host, "agenda-manage migrate --check --plan", check=False)
        if asked.returncode == 0:
            continue
        planned = [line.strip() for line in asked.stdout.splitlines() if line.strip()]
        if planned:
            yield {**where, "how": planned}
        else:
            yield {**where, "failed": asked.stderr.strip().splitlines()[-2:] or ["no answer"]}


def status(findings: list[Finding]) -> int:
    if any("failed" in finding for finding in findings):
        return FAILED
    return DIFFERS if findings else SAME


def render(findings: list[Finding]) -> str:
    lines = []
    for finding in findings:
        mark, said = ("!", finding["failed"]) if "failed" in finding else ("~", finding["how"])
        shown = said if isinstance(said, list) else [json.dumps(said)]
        lines.append(f"{mark} {finding['where']}: {finding['what']}")
        lines += [f"    {line if isinstance(line, str) else json.dumps(line)}" for line in shown]
    return "\n".join(lines)


def main() -> int:
    parser = Parser(prog="python -m rollout.drift", description="What differs from the inventory.")
    parser.add_environment(default="lab")
    parser.add("--json", make="JSON", action="store_true", help="for machines")
    asked = parser.parse()
    findings: list[Finding] = []
    try:
        findings += proxmox(asked.env)
        with Hosts(asked.env) as hosts, tempfile.NamedTemporaryFile("r") as declared:
            findings += guests(asked.env, Path(declared.name))
            findings += in_effect(hosts, read_declared(declared), cache() / "releases")
            findings += schema(hosts)
    except OperatorError as error:
        findings.append(
            {"where": asked.env, "what": "containers", "failed": str(error).splitlines()}
        )
    except subprocess.TimeoutExpired as error:
        said = f"{Path(error.cmd[0]).name} did not end within {error.timeout:.0f} s"
        findings.append({"where": asked.env, "what": "containers", "failed": [said]})
    code = status(findings)
    if asked.json:
        print(json.dumps({"status": code, "findings": findings}, ensure_ascii=False))
        return code
    print(render(findings), end="\n" if findings else "")
    verdict = {
        SAME: "nothing differs",
        FAILED: "could not be found out",
        DIFFERS: "something differs",
    }
    print(f"drift {asked.env}: {verdict[code]}")
    return code


if __name__ == "__main__":
    sys.exit(main())
