"""Where a drill keeps what it saw: build/drills/, and docs/drills.md when told to."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.document import replace_section
from tests.infra.site import ROOT

FOLDER = ROOT / "build/drills"


def keep(name: str, table: str, *, wrong: Sequence[str], recorded: bool = False) -> Path:
    """Write build/drills/NAME.md; its first line says when, at which commit, on what machine.

    `recorded`: also as the section NAME of docs/drills.md.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    ).stdout.strip()
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    load = os.getloadavg()[1]
    head = f"{at}, commit {commit}, {os.cpu_count()} cores, load {load:.1f} in the last 5 minutes"
    path = FOLDER / f"{name}.md"
    told = "".join(f"\nWRONG: {line}" for line in wrong)
    body = f"{head}\n\n{table}\n{told}"
    path.write_text(body, encoding="utf-8")
    if recorded:
        replace_section(ROOT / "docs/drills.md", name, body)
    return path


def end(drill: str, environment: str, kept: Path, *, wrong: Sequence[str], of: str) -> int:
    """Say what was wrong and the verdict (`of`: of what, "51 changes"); the drill's exit code."""
    for line in wrong:
        print(f"WRONG: {line}")
    verdict = "FAILED" if wrong else "passed"
    print(
        f"drill-{drill} {environment}: {verdict}: {of}, {len(wrong)} wrong; the table is in {kept}"
    )
    return 1 if wrong else 0


def keep_log(name: str, text: str) -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.log"
    path.write_text(text, encoding="utf-8")
    return path


def spread(seconds: Sequence[float]) -> str:
    """How many, and the shortest, middle and longest of them."""
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    middle = ordered[len(ordered) // 2]
    return f"{len(ordered)}, {ordered[0]:.0f} to {ordered[-1]:.0f} s, middle {middle:.0f} s"
