"""docs/security.md names proofs: each of them is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_proof_that_the_page_names_is_a_test():
    page = (ROOT / "docs/security.md").read_text("utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    text = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 20
    assert named - set(re.findall(r"^def (test_\w+)\(", text, re.MULTILINE)) == set()
