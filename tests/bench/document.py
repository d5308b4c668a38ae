"""docs/bench.md: a section a bench, each replaced by its own run and by nothing else."""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
from pathlib import Path

TITLE = (
    "# Benchmarks\n\nThe last kept run of each bench. Ratios matter, seconds are this machine's."
)


def replace_section(file: Path, title: str, body: str) -> None:
    """Put `body` below `## title`, replacing what stood there; other sections stay as they are."""
    text = file.read_text("utf-8") if file.exists() else f"{TITLE}\n"
    section = f"## {title}\n\n{body.strip()}\n"
    pattern = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    if pattern.search(text):
        changed = pattern.sub(lambda _: f"{section}\n", text)
    else:
        changed = f"{text.rstrip()}\n\n{section}"
    file.write_text(changed.rstrip() + "\n", "utf-8")


def machine_line(root: Path) -> str:
    """Commit, date and what the run was made on."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=root, check=True, capture_output=True, text=True, timeout=30,
    ).stdout.strip()  # fmt: skip
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return f"commit {commit}, {today}, {os.cpu_count()} cores, Python {platform.python_version()}"
