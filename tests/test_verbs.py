"""What `make` offers is what it does, and what the README says."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
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


# Stands for .venv/bin/python: runs the program until it knows what it was given, and says that.
PYTHON = f"""#!{sys.executable}
import argparse, os, runpy, sys
read = argparse.ArgumentParser.parse_args
def told(*given):
    for name, value in vars(read(*given)).items():
        print(f"{{name}}=<{{value}}>")
    for name in ("LC_ALL", "PATH", "HOME", "CTLV_LAB_STATE"):
        print(f"{{name}}={{os.environ.get(name)}}")
    sys.exit(0)
argparse.ArgumentParser.parse_args = told
sys.path.insert(0, {str(ROOT)!r})
assert sys.argv.pop(1) == "-m"
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
MACHINE = "#!/bin/bash\nprintf '<%s>\\n' \"$@\"\n"
ALONE = '#!/bin/bash\n[ "$1" != --quiet ] || shift\nshift\nexec "$@"\n'
SUDO = '#!/bin/bash\nwhile [[ $1 == --* ]]; do shift; done\nexec "$@"\n'


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone in which every program only says how it was called."""
    folder = tmp_path / "clone"
    programs = {
        ".venv/bin/python": PYTHON,
        "setup/alone": ALONE,
        "setup/machine": MACHINE,
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


@pytest.mark.parametrize(
    ("words", "arrives"),
    [
        (("adopt", "NAME=@", "VMID=1"), {"name=<@>"}),
        (("trust", "NAME=@", "FINGERPRINT=@"), {"name=<@>", "fingerprint=<@>"}),
        (("snapshot", "SNAPSHOT=@", "CONFIRM=@"), {"name=<@>", "confirm=<@>"}),
        (("snapshot-restore", "SNAPSHOT=@"), {"name=<@>"}),
        (("factor-reset", "NAME=@"), {"name=<@>"}),
        (("audit", "SINCE=@"), {"since=<@>"}),
        (("operator-add", "NAME=@", "KEY=@"), {"name=<@>", "key=<@>"}),
        (("escrow", "KEY=@"), {"key=<@>"}),
        (("restore", "FROM=@"), {"wanted=<@>"}),
        (("import", "FROM=@", "MAP=@"), {"source=<@>", "map=<@>"}),
        (("drill-restore", "FROM=@"), {"wanted=<@>"}),
        (("ssh", "HOST=@"), {"to=<@>"}),
        (("logs", "HOST=@", "SINCE=@"), {"to=<@>", "since=<@>"}),
        (("down", "LAB_STATE=/@"), {"CTLV_LAB_STATE=/@"}),
        (("destroy", "NAMES=a", "YES=@"), {"yes=<True>"}),
        (("deploy", "FORCE=@", "UNLOCK=@"), {"force=<True>"}),
    ],
)
def test_what_a_caller_gives_is_one_word_and_never_a_command(clone, words, arrives):
    done = make(clone, *(word.replace("@", HOSTILE) for word in words))
    for line in arrives:
        told = f"\n{line.replace('@', HOSTILE)}\n"
        assert told in f"\n{done.stdout}", done.stdout + done.stderr
    assert not (clone / "harm").exists()


@pytest.mark.parametrize(
    ("words", "arrives"),
    [
        (("provision", "YES=1", "REBOOT=1"), ("yes=<True>", "reboot=<True>")),
        (("adopt", "NAME=web", "VMID=2156"), ("env=<lab>", "vmid=<2156>")),
        (("snapshot", "KEEP=3"), ("keep=<3>", "yes=<False>")),
        (("destroy", "ENV=srv-px5", "NAME=web", "STOP=1"), ("names=<['web']>", "stop=<True>")),
        (("drift", "JSON=1"), ("json=<True>",)),
        (("environment", "NAME=a", "FROM=srv-px5", "SHIFT=20"), ("shift=<20>", "source=<srv-px5>")),
        (("audit", "JSON=1", "NAME=alice"), ("name=<alice>", "json=<True>")),
        (("secrets", "AUTHORITY=new"), ("authority=<new>",)),
        (("rollback", "RELEASE=20260101-abc", "UNLOCK=1"), ("release=<20260101-abc>",)),
        (("redeploy", "SKIP=web2 rest2"), ("skip=<['web2', 'rest2']>",)),
        (("verify", "SKIP=web2"), ("skip=<['web2']>",)),
        (("restore", "FROM=a", "JOURNAL=incomplete", "ROWS=lost"), ("rows=<lost>",)),
        (("logs", "LINES=7", "FOLLOW=1"), ("lines=<7>", "follow=<True>")),
        (("maintenance", "STATE=off"), ("state=<off>",)),
        (("bench-rest", "ROWS=9", "KEEP=1"), ("rows=<9>", "keep=<True>")),
        (("bench-scale", "ROWS=9", "KEEP=1"), ("rows=<9>", "keep=<True>")),
        (("bench-provision", "ROUNDS=2"), ("rounds=<2>",)),
        (("drill-redeploy", "SWITCHES=2", "BROKEN=none"), ("switches=<2>", "broken=<[]>")),
        (("drill-faults", "ONLY=nginx", "KEEP=1"), ("only=<nginx>", "keep=<True>")),
        (("mutants", "NAME=speech.titles", "MINUTES=5", "FRESH=1"), ("minutes=<5.0>",)),
        (("verify", "VERBOSE=1"), ("verbose=<True>",)),
    ],
)
def test_each_program_reads_what_its_verb_offers(clone, words, arrives):
    done = make(clone, *words)
    assert set(arrives) <= set(done.stdout.splitlines()), done.stdout + done.stderr


def test_names_are_a_word_each_and_never_an_option(clone):
    done = make(clone, "destroy", "NAMES=web --all * a;b", "ENV=srv-px5")
    assert "names=<['web', '--all', '*', 'a;b']>" in done.stdout, done.stdout + done.stderr
    assert "all=<False>" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("adopt",),
        ("adopt", "NAME=web"),
        ("adopt", "NAME=web", f"VMID={HOSTILE}"),
        ("factor-reset",),
        ("import",),
        ("environment", "NAME=a", "FROM=b"),
        ("environment", "NAME=a", "FROM=b", f"SHIFT={HOSTILE}"),
        ("operator-add", "NAME=anne"),
        ("operator-remove",),
        ("trust", "NAME=web"),
        ("snapshot", f"KEEP={HOSTILE}"),
        ("snapshot-restore",),
        ("rollback", "RELEASE=a b=c"),
        ("rollback", f"RELEASE={HOSTILE}"),
        ("secrets", f"AUTHORITY={HOSTILE}"),
        ("restore", "FROM=a", f"JOURNAL={HOSTILE}"),
        ("restore", "FROM=a", f"ROWS={HOSTILE}"),
        ("logs", "LINES=1; reboot"),
        ("logs", f"LINES={HOSTILE}"),
        ("maintenance", f"STATE={HOSTILE}"),
        ("maintenance",),
        ("drill-redeploy", f"SWITCHES={HOSTILE}"),
        ("drill-redeploy", f"BROKEN={HOSTILE}"),
        ("drill-faults", f"ONLY={HOSTILE}"),
        ("mutants", f"MINUTES={HOSTILE}"),
        ("bench-rest", f"ROWS={HOSTILE}"),
        ("bench-provision", f"ROUNDS={HOSTILE}"),
        ("plan", f"NAEM={HOSTILE}"),
        ("help", f"NAEM={HOSTILE}"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_do(clone, words):
    done = make(clone, *words)
    assert done.returncode == 2
    assert "\n  Next: " in done.stderr, done.stderr
    assert "usage:" not in done.stderr
    assert not (clone / "harm").exists()


def test_a_hostile_word_reaches_the_verbs_of_up_unharmed_too(clone):
    """`up` calls make again, which reads what stands behind the first one."""
    (clone / "setup/step").write_text(
        '#!/bin/bash\n[ "$1" != --quiet ] || shift\nshift\nexec "$@"\n'
    )
    (clone / "setup/step").chmod(0o755)
    done = make(clone, "up", f"LAB_NAME={HOSTILE}", f"CONFIRM={HOSTILE}")
    assert done.returncode == 0, done.stderr
    assert f"\nname=<{HOSTILE}>\n" in done.stdout
    assert f"\nconfirm=<{HOSTILE}>\n" in done.stdout
    assert not (clone / "harm").exists()


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (3, 0), (1, 2)])
def test_up_ends_with_the_address_also_where_something_cannot_be_proved(clone, code, ends):
    """3: verify looked from a machine outside VLAN 2028."""
    (clone / "setup/step").write_text(
        f'#!/bin/bash\n[ "$1" != --quiet ] || shift\ncase $1 in 6/6*) exit {code};; esac\n'
    )
    (clone / "setup/step").chmod(0o755)
    done = make(clone, "up")
    assert done.returncode == ends
    assert ("admin=<False>" in done.stdout) is (ends == 0), done.stdout + done.stderr


def test_a_shell_that_looks_like_an_expression_is_none(clone):
    hostile = {"HOME": "/$(shell touch harm)", "KEEP": "$(shell touch harm)", "LINES": HOSTILE}
    make(clone, "plan", "ENV=srv-px5", environment=hostile)
    assert not (clone / "harm").exists()


@pytest.mark.parametrize("environment", ["prod", "", "../x", "lab/", "lab srv-px5", "%", HOSTILE])
@pytest.mark.parametrize("verb", ["up", "destroy", "plan"])
def test_an_environment_that_is_none_is_refused_before_anything_is_called(clone, verb, environment):
    done = make(clone, verb, f"ENV={environment}")
    assert (done.returncode, done.stdout) == (2, "")
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


def test_no_path_at_all_is_no_reason_to_look_in_this_folder(clone):
    for path in ({"PATH": ""}, {"PATH": "/usr/bin:/bin"}):
        said = make(clone, "plan", "ENV=srv-px5", environment=path).stdout
        assert "\nPATH=/usr/" in said, said
        assert "::" not in said


def test_what_a_shell_sets_for_everybody_is_not_meant(clone):
    """tcsh exports HOST, WSL NAME, `resize` LINES; ENV is the file that sh reads."""
    shell = {"HOST": "desk", "NAME": "DESKTOP-1", "LINES": "7"}
    said = [make(clone, verb, environment=shell).stdout.split() for verb in ("logs", "destroy")]
    assert {"to=<all>", "lines=<None>"} <= set(said[0])
    assert "names=<[]>" in said[1]
    refused = make(clone, "plan", environment={"ENV": "/etc/kshrc"})
    assert "ENV is '/etc/kshrc' in your shell's environment, which is no folder" in refused.stderr
