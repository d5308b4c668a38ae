"""What `make` offers is what it does, and what the README says."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def phony() -> set[str]:
    lines = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, flags=re.MULTILINE)
    return {verb for line in lines for verb in line.split()}


def recipes() -> set[str]:
    """Verbs with help and a command: without one, make would do nothing and exit 0."""
    found = r"^([a-z-]+):[^\n]*## [^\n]+\n(?:ifeq[^\n]*\n)?\t"
    return set(re.findall(found, MAKEFILE, flags=re.MULTILINE))


def test_every_verb_has_a_help_text_and_a_recipe():
    assert phony() == recipes()


def test_the_readme_lists_exactly_the_verbs():
    section = (ROOT / "README.md").read_text("utf-8").partition("## Verbs")[2]
    rows = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]
    table = "\n".join(rows)
    assert set(re.findall(r"`([a-z-]+)`", table)) == phony()


def test_the_readmes_links_lead_somewhere():
    text = (ROOT / "README.md").read_text("utf-8")
    heads = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in heads}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors
    files = set(re.findall(r"\]\(([^)#:]+)\)", text))
    assert not [name for name in sorted(files) if not (ROOT / name).exists()]
