"""The pipelines of docs/ci.md: what their steps name is there, and does what the document says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
GITLAB = yaml.safe_load((ROOT / "docs/ci/gitlab-ci.yml").read_text("utf-8"))
GITHUB = yaml.safe_load((ROOT / "docs/ci/github.yml").read_text("utf-8"))


def gitlab_steps(job):
    before = GITLAB["default"]["before_script"]
    return [*before, *GITLAB[job]["script"], *GITLAB[job].get("after_script", ())]


def github_steps(job):
    return [step["run"] for step in GITHUB["jobs"][job]["steps"] if "run" in step]


STEPS = {
    **{f"gitlab {job}": gitlab_steps(job) for job in ("lint", "test", "plan", "apply")},
    **{f"github {job}": github_steps(job) for job in ("test", "plan", "apply")},
}


@pytest.mark.parametrize("job", STEPS)
def test_each_step_is_a_program_or_a_verb_that_is_there(job):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for step in STEPS[job]:
        subprocess.run(["bash", "-n", "-c", step], check=True, timeout=10)
        program, *words = step.split()
        if program == "make":
            assert re.search(rf"^{words[0]}:.*##", makefile, re.MULTILINE), step
        elif program.startswith("setup/"):
            text = (ROOT / program).read_text("utf-8")
            assert re.search(rf"^#   {program} (?:\S+ \| )*{words[0]}\b", text, re.MULTILINE), step


def test_both_run_the_same():
    own = [step for step in STEPS["github plan"] if not step.startswith("[")]
    assert own == STEPS["gitlab plan"][: len(own)]
    assert STEPS["github apply"] == STEPS["gitlab apply"]
    assert set(STEPS["github test"]) == {*STEPS["gitlab lint"], *STEPS["gitlab test"]}


def test_apply_is_started_by_a_person_and_one_at_a_time():
    assert [rule.get("when") for rule in GITLAB["apply"]["rules"]] == ["manual"]
    assert GITLAB["apply"]["resource_group"] == GITHUB["jobs"]["apply"]["concurrency"]
    assert GITHUB["jobs"]["apply"]["environment"]


# Stand for .venv/bin/python and make: say what they were asked, and end as the test wants.
PROGRAM = """#!/bin/sh
echo "$(basename "$0") $* ENV=$ENV" >>asked
[ -z "${CTLV_SSH_KEY:-}" ] || echo "the key reaches $0" >>asked
case "$*" in *plan*--out*) echo "  + web"; echo '{}' >plan.json; exit "${PLAN:-0}";;
*apply*) exit "${APPLY:-0}";;
*tests.infra*) exit "${VERIFY:-0}";; deploy) exit "${DEPLOY:-0}";; esac
"""


@pytest.fixture
def clone(tmp_path):
    folder = tmp_path / "clone"
    for name in (".venv/bin/python", "bin/make"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(PROGRAM)
        (folder / name).chmod(0o755)
    (folder / "setup").mkdir()
    shutil.copy(ROOT / "setup/pipeline", folder / "setup")
    return folder


def pipeline(clone, step, **environ):
    path = f"{clone}/bin:/usr/bin:/bin"
    return subprocess.run(
        [clone / "setup/pipeline", step],
        env={"PATH": path, "HOME": str(clone.parent), "ENV": "srv-px5", **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("plan", "code", "said"),
    [
        ("0", 0, "**srv-px5: nothing to change in Proxmox.**"),
        ("2", 0, "**srv-px5: this would be changed in Proxmox**"),
        ("1", 1, "**srv-px5: no plan could be made.**"),
    ],
)
def test_a_plan_with_changes_is_no_failure_and_its_text_is_kept_for_people(clone, plan, code, said):
    done = pipeline(clone, "plan", PLAN=plan)
    assert done.returncode == code, done.stderr
    told = (clone / "plan.md").read_text()
    assert told.startswith(said)
    assert told.endswith("\n```text\n  + web\n```\n")
    assert (clone / "plan.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("ends", "code", "asked"),
    [
        ({}, 0, 3),
        ({"APPLY": "2", "VERIFY": "3"}, 0, 3),
        ({"APPLY": "1"}, 1, 1),
        ({"DEPLOY": "2"}, 2, 2),
        ({"VERIFY": "1"}, 1, 3),
    ],
)
def test_apply_stops_at_the_first_that_fails(clone, ends, code, asked):
    assert pipeline(clone, "apply", **ends).returncode == code
    lines = (clone / "asked").read_text().splitlines()
    assert (
        lines
        == [
            "python -m provision apply plan.json --env srv-px5 --yes ENV=srv-px5",
            "make deploy ENV=srv-px5",
            "python -m tests.infra --env srv-px5 ENV=srv-px5",
        ][:asked]
    )


@pytest.fixture
def key(tmp_path):
    words = ["-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "ci-key"]
    subprocess.run(["ssh-keygen", *words], check=True, timeout=20)
    return tmp_path / "ci-key"


@pytest.mark.parametrize("form", ["a file", "its content", "as Windows writes it"])
def test_the_job_becomes_the_operator_whose_key_it_was_given(clone, key, form):
    content = key.read_text()
    forms = {"a file": str(key), "its content": content.strip()}
    given = forms.get(form, content.replace("\n", "\r\n"))
    done = pipeline(clone, "identity", CTLV_SSH_KEY=given)
    assert (done.returncode, done.stderr) == (0, "")
    own = clone.parent / ".ssh/id_ed25519"
    assert own.read_text().strip() == content.strip()
    assert own.stat().st_mode & 0o077 == 0
    assert (clone / "asked").read_text() == "make secrets ENV=srv-px5\n"


@pytest.mark.parametrize("given", ["", "no key"])
def test_a_job_without_a_key_is_told_what_to_do_and_shows_nothing(clone, given):
    done = pipeline(clone, "identity", CTLV_SSH_KEY=given)
    assert done.returncode == 1
    assert [line[:9] for line in done.stderr.splitlines()] == [
        "pipeline:",
        "  Next: m" if not given else "  Next: s",
    ]
    assert given == "" or given not in done.stderr
    assert not (clone / "asked").exists()
