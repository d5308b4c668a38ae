"""Who may import whom: the arrows in CONTRIBUTING.md, as a test; and the files that it names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Importing files, files left out, forbidden import, why.
FORBIDDEN = [
    ("provision/**/*.py", (), r"lab|rollout", "the client knows a URL, not the lab"),
    ("lab/**/*.py", (), r"provision|rollout|ansible|app|tests", "the lab shares no code of ours"),
    ("rollout/**/*.py", (), r"lab|app|agenda|tests", "the application is an artefact"),
    (
        "provision/**/*.py",
        ("provision/proxmox.py",),
        r"proxmoxer",
        "one edge module talks to Proxmox",
    ),
    ("provision/plan.py", (), r"provision\.proxmox|subprocess|time|requests", "plan is pure"),
    ("provision/desired.py", (), r"provision\.proxmox|subprocess|time|requests", "desired is pure"),
    ("provision/report.py", (), r"provision\.proxmox|subprocess|time|requests", "report is pure"),
    ("provision/wire.py", (), r"provision\.proxmox|subprocess|time|requests", "wire is pure"),
    (
        "app/**/*.py",
        (),
        r"provision|rollout|lab|ansible|tests",
        "the application knows not what it runs on",
    ),
    ("app/agenda/**/*.py", (), r"api", "the API is one door to the agenda, which knows no doors"),
    ("app/speech/sentences.py", (), r"django\.db|subprocess|requests", "sentences are pure"),
    ("provision/**/*.py", (), r"app|agenda|django", "provisioning knows no application"),
]


def imports(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names}
    sources = [n for n in nodes if isinstance(n, ast.ImportFrom) and n.module]
    # `from provision import plan` names a module too.
    named = {f"{n.module}.{alias.name}" for n in sources for alias in n.names}
    return plain | named | {str(n.module) for n in sources}


@pytest.mark.parametrize(("pattern", "left_out", "forbidden", "why"), FORBIDDEN)
def test_imports_follow_the_arrows(pattern, left_out, forbidden, why):
    files = [p for p in sorted(ROOT.glob(pattern)) if str(p.relative_to(ROOT)) not in left_out]
    assert files, f"{pattern} names no file: the rule guards nothing"
    offences = [
        f"{path.relative_to(ROOT)} imports {name}: {why}"
        for path in files
        for name in sorted(imports(path))
        if re.match(rf"(?:{forbidden})(?:\.|$)", name)
    ]
    assert not offences, "\n".join(offences)


def test_every_file_that_a_newcomer_is_sent_to_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    tops = "app|ansible|docs|inventory|lab|provision|rollout|setup|tests"
    named = set(re.findall(rf"[`(]((?:{tops})/[\w./*@-]*)[`)]", text))
    assert len(named) > 20
    assert [name for name in sorted(named) if not any(ROOT.glob(name.rstrip("/")))] == []


# What a part of tests/run asks for by a mark it looks for in these places alone.
PARTS = {
    "tools": ("tests/bench/", "tests/test_mutants.py"),
    "lab": ("tests/lab/", "tests/road/"),
    "browser": ("tests/e2e/",),
    "e2e": ("tests/e2e/",),
}


@pytest.mark.parametrize("mark", PARTS)
def test_a_test_with_a_mark_lies_where_its_part_looks(mark):
    files = [str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py")]
    marked = [file for file in files if re.search(rf"mark\.{mark}\b", (ROOT / file).read_text())]
    assert marked
    assert [file for file in marked if not file.startswith(PARTS[mark])] == []
