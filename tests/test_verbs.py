"""What `make` offers is what it does, and what the README says."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

import pytest

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


# Stand for what the verbs call: say what they were given, one word a line.
SHOW = """#!/bin/bash
printf '<%s>\n' "$@"
printf 'LC_ALL=%s\nPATH=%s\nHOME=%s\n' "$LC_ALL" "$PATH" "$HOME"
"""
ALONE = '#!/bin/bash\nshift\nexec "$@"\n'
SUDO = '#!/bin/bash\nwhile [[ $1 == --* ]]; do shift; done\nexec "$@"\n'


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone in which every program only says how it was called."""
    folder = tmp_path / "clone"
    programs = {
        ".venv/bin/python": SHOW,
        ".venv/bin/ansible-playbook": SHOW,
        "setup/alone": ALONE,
        "setup/machine": SHOW,
        "bin/sudo": SUDO,
    }
    for name, text in programs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    for environment in ("lab", "srv-px5"):
        (folder / "inventory" / environment).mkdir(parents=True)
        (folder / "inventory" / environment / "hosts.yml").touch()
    (folder / ".venv/.complete").touch()
    shutil.copy(ROOT / "Makefile", folder)
    return folder


def make(
    clone: Path, *words: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": f"{clone}/bin:/usr/bin:/bin", "HOME": str(clone)}
    return subprocess.run(
        ["/usr/bin/make", *words],
        cwd=clone,
        env={**kept, **(environment or {})},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


HOSTILE = 'it\'s "a" *; touch harm #`touch harm`$(touch harm)$(shell touch harm)\ntouch harm'
# As it arrives: what splits a recipe is a space.
TEXT = HOSTILE.replace("\n", " ")


@pytest.mark.parametrize(
    ("words", "arrives"),
    [
        (("adopt", "NAME=@", "VMID=1"), f"<{TEXT}>"),
        (("adopt", "NAME=a", "VMID=@"), f"<--vmid={TEXT}>"),
        (("snapshot", "SNAPSHOT=@"), f"<--name={TEXT}>"),
        (("snapshot", "KEEP=@"), f"<--keep={TEXT}>"),
        (("snapshot", "CONFIRM=@"), f"<--confirm={TEXT}>"),
        (("snapshot-restore", "SNAPSHOT=@"), f"<{TEXT}>"),
        (("restore", "FROM=@"), f"<--from={TEXT}>"),
        (("restore", "FROM=a", "JOURNAL=@"), f"<--journal={TEXT}>"),
        (("restore", "FROM=a", "ROWS=@"), f"<--rows={TEXT}>"),
        (("drill-restore", "FROM=@"), f"<--from={TEXT}>"),
        (("drill-redeploy", "SWITCHES=@"), f"<--switches={TEXT}>"),
        (("drill-redeploy", "BROKEN=@"), f"<--broken={TEXT}>"),
        (("drill-faults", "ONLY=@"), f"<--only={TEXT}>"),
        (("mutants", "NAME=@"), f"<--only={TEXT}>"),
        (("mutants", "MINUTES=@"), f"<--minutes={TEXT}>"),
        (("bench-app", "ROUNDS=@"), f"<--rounds={TEXT}>"),
        (("bench-app", "ROWS=@"), f"<--rows={TEXT}>"),
        (("ssh", "HOST=@"), f"<--to={TEXT}>"),
        (("logs", "HOST=@"), f"<--to={TEXT}>"),
        (("down", "LAB_STATE=@"), f"<--state={TEXT}>"),
    ],
)
def test_what_a_caller_gives_is_one_word_and_never_a_command(clone, words, arrives):
    done = make(clone, *(word.replace("@", HOSTILE) for word in words))
    assert arrives in done.stdout.splitlines(), done.stdout + done.stderr
    assert not (clone / "harm").exists()


def test_names_are_a_word_each_and_never_an_option(clone):
    done = make(clone, "destroy", "NAMES=web --all * a;b", "ENV=srv-px5")
    after = done.stdout.partition("<-->")[2].split()
    assert after[:4] == ["<web>", "<--all>", "<*>", "<a;b>"], done.stdout + done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("rollback", "RELEASE=a b=c"),
        ("rollback", f"RELEASE={HOSTILE}"),
        ("logs", "LINES=1; reboot"),
        ("logs", f"LINES={HOSTILE}"),
        ("maintenance", f"STATE={HOSTILE}"),
        ("maintenance",),
        ("adopt",),
        ("snapshot-restore",),
        ("restore", "FROM="),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_do(clone, words):
    done = make(clone, *words)
    assert done.returncode == 2
    assert "\n  Next: " in done.stderr, done.stderr
    assert not (clone / "harm").exists()


@pytest.mark.parametrize("environment", ["prod", "", "../x", "lab/", "lab srv-px5", "%", HOSTILE])
@pytest.mark.parametrize("verb", ["up", "destroy", "plan"])
def test_an_environment_that_is_none_is_refused_before_anything_is_called(clone, verb, environment):
    done = make(clone, verb, f"ENV={environment}")
    assert (done.returncode, done.stdout.count("<")) == (2, 0)
    assert (
        "is no folder of inventory/\n  Next: give one of these: ENV=lab ENV=srv-px5" in done.stderr
    )
    assert not (clone / "harm").exists()
    assert make(clone, "help", f"ENV={environment}").returncode == 0


def test_a_verb_without_the_venv_says_how_to_make_it(clone):
    (clone / ".venv/.complete").unlink()
    done = make(clone, "plan")
    assert done.returncode == 2
    assert "there is no complete .venv here\n  Next: make up" in done.stderr
    assert "setup/machine" not in make(clone, "up").stderr


def test_every_program_gets_a_locale_a_path_and_a_home_that_it_can_work_with(clone):
    """Ansible refuses LC_ALL=C; dpkg wants /usr/sbin, which plain `su` does not give."""
    poor = {"LC_ALL": "C", "LANG": "tr_TR.ISO-8859-9", "HOME": ""}
    said = make(clone, "plan", "ENV=srv-px5", environment=poor).stdout.splitlines()
    assert "LC_ALL=C.UTF-8" in said
    assert any(line.startswith("PATH=") and line.endswith(":/usr/sbin:/sbin") for line in said)
    assert f"HOME={pwd.getpwuid(os.geteuid()).pw_dir}" in said


def test_two_verbs_follow_each_other_also_when_make_is_told_to_do_them_at_once(clone):
    assert "\n.NOTPARALLEL:\n" in MAKEFILE
    assert make(clone, "-j4", "plan", "status").returncode == 0


@pytest.mark.parametrize("verb", ["deploy", "redeploy", "rollback"])
def test_a_playbook_ends_with_one_line_of_result(clone, verb):
    done = make(clone, verb)
    assert done.stdout.splitlines()[-1].startswith(f"{verb} lab: "), done.stdout + done.stderr
    (clone / ".venv/bin/ansible-playbook").write_text("#!/bin/sh\nexit 2\n")
    failed = make(clone, verb)
    assert failed.returncode == 2
    assert f"{verb} lab: not done\n  Next: " in failed.stderr
    assert f"{verb} lab: " not in failed.stdout


def test_no_path_at_all_is_no_reason_to_look_in_this_folder(clone):
    for path in ({"PATH": ""}, {"PATH": "/usr/bin:/bin"}):
        said = make(clone, "plan", "ENV=srv-px5", environment=path).stdout
        assert "\nPATH=/usr/" in said, said
        assert "::" not in said


def test_what_a_shell_sets_for_everybody_is_not_meant(clone):
    """tcsh exports HOST, WSL NAME, `resize` LINES; ENV is the file that sh reads."""
    shell = {"HOST": "desk", "NAME": "DESKTOP-1", "LINES": "7"}
    said = [make(clone, verb, environment=shell).stdout.split() for verb in ("logs", "destroy")]
    assert "<--to=web>" in said[0]
    assert "<100>" in said[0]
    assert "<--all>" in said[1]
    assert "<DESKTOP-1>" not in said[1]
    refused = make(clone, "plan", environment={"ENV": "/etc/kshrc"})
    assert "ENV is '/etc/kshrc' in your shell's environment, which is no folder" in refused.stderr
