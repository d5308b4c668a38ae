"""The pinned packages: what a release is made of, how long they stand, which holes are known.

    python -m rollout.packages     ask pip-audit's database for known holes: `make audit-packages`

Exits 0 (none known), 1 (some) or 3 (the database said nothing of some: nothing was proved).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from provision.environment import ROOT

# What hosts run, and the whole .venv.
SHIPPED, ALL = "requirements/app.txt", ("requirements/dev.txt", "requirements/build.txt")
OLD_DAYS = 180
NOT_PROVED = 3
PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?P<version>[^\s;\\]+)")


@dataclass(frozen=True, slots=True)
class Pin:
    name: str
    version: str
    hashes: tuple[str, ...]  # SHA-256 of each file that pip takes for it

    @property
    def purl(self) -> str:
        return f"pkg:pypi/{self.name}@{self.version}"


def pins(text: str) -> Iterator[Pin]:
    """Of a file that `setup/lock` made. Pure."""
    for line in text.replace("\\\n", " ").splitlines():
        if found := PIN.match(line):
            yield Pin(
                found["name"], found["version"], tuple(re.findall(r"--hash=sha256:(\w+)", line))
            )


def bill_of_materials(text: str, *, release: str) -> dict[str, Any]:
    """CycloneDX 1.6, of what `text` pins; alike for alike releases, so it has no date. Pure."""
    components = [
        {
            "type": "library",
            "bom-ref": pin.purl,
            "name": pin.name,
            "version": pin.version,
            "purl": pin.purl,
            "hashes": [{"alg": "SHA-256", "content": content} for content in pin.hashes],
        }
        for pin in pins(text)
    ]
    agenda = {"type": "application", "bom-ref": "agenda", "name": "agenda", "version": release}
    needed = [component["bom-ref"] for component in components]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": agenda},
        "components": components,
        "dependencies": [{"ref": "agenda", "dependsOn": needed}],
    }


def ages(blame: str, *, at: datetime) -> dict[str, int]:
    """Package -> days since its line was pinned, from `git blame --line-porcelain`. Pure."""
    found, since = {}, 0.0
    for line in blame.splitlines():
        if line.startswith("committer-time "):
            since = float(line.partition(" ")[2])
        elif pin := PIN.match(line.removeprefix("\t")) if line.startswith("\t") else None:
            found[f"{pin['name']} {pin['version']}"] = int((at.timestamp() - since) // 86400)
    return found


def old_pins(root: Path, *, at: datetime) -> str:
    """One line of `make status`."""
    command = ["git", "-c", f"safe.directory={root}", "-C", str(root)]
    command += ["blame", "--line-porcelain", "--", SHIPPED]
    blame = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    known = ages(blame.stdout, at=at)
    if not known:
        return "nobody knows how long they stand: this is no clone of git"
    old = sorted((days, name) for name, days in known.items() if days > OLD_DAYS)[::-1]
    told = "; ".join(f"{name} {days} days" for days, name in old[:5])
    said = f"{len(old)} of {len(known)} shipped ones were pinned more than {OLD_DAYS} days ago"
    return f"{said}: {told}; `setup/lock --upgrade`, then `make test`" if old else said


def audit() -> int:
    words = [word for file in ALL for word in ("--requirement", file)]
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", *words]
    command += ["--progress-spinner", "off", "--format", "json"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        told = json.loads(ended.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        told = []
    # Where a mirror stands in for the index, the database's own part of it answers nothing.
    unknown = [package for package in told if "vulns" not in package]
    holes = [(package, hole) for package in told for hole in package.get("vulns", ())]
    for package, hole in holes:
        mended = ", ".join(hole["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {hole['id']}, mended in {mended}")
    if holes:
        print(
            f"audit-packages: {len(holes)} known holes in {len(told)} packages\n"
            "  Next: `setup/lock --upgrade-package NAME`, `make test`, `make redeploy`",
            file=sys.stderr,
        )
        return 1
    if unknown or not told:
        said = [package["skip_reason"] for package in unknown] or ended.stderr.strip().splitlines()
        print(
            f"audit-packages: NOT PROVED: of {len(unknown) or 'all'} packages pip-audit's database "
            f"said nothing: {''.join(said[-1:])[:300]}\n"
            "  Next: run it on a machine that reaches that database",
            file=sys.stderr,
        )
        return NOT_PROVED
    print(f"audit-packages: {len(told)} packages were asked for, no known hole")
    return 0


if __name__ == "__main__":
    sys.exit(audit())
