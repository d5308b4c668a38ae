"""`make drill-upgrade`: a lab deployed from the last release, with rows and under load, reaches
this tree by `make deploy` alone. No acknowledged write may be lost; failed requests are printed.

The lab is the drill's own, with other names and ports than the operator's; nothing of it stays.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provision.arguments import Parser
from provision.errors import OperatorError
from tests.drills import result
from tests.drills.consent import add_arguments, ask
from tests.drills.load import Load
from tests.drills.redeploy import on, person, rows_of_the_probe
from tests.infra.site import ROOT, read_site

# The release before this one. With tags, the newest that is not this commit.
LAST_RELEASE = "cd1f294"
FOLDER = ROOT / "build/upgrade"
STATE = ROOT / ".lab-upgrade"
SETTINGS = {
    "LAB_STATE": str(STATE),
    "LAB_NAME": "ctlv-upgrade",
    "LAB_API_PORT": "18906",
    "LAB_WEB_PORT": "18980",
    "LAB_REST_PORT": "18981",
}
STEP_WITHIN_S = 1800
DEMO_TASKS = (
    "from agenda.models import Task; print(Task.objects.filter(owner__username='demo').count())"
)


def old_tree(commit: str) -> Path:
    """What was committed then, with this tree's .venv when it is pinned to the same."""
    tree = FOLDER / "tree"
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    clone = ["git", "clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(tree)]
    for command in (clone, ["git", "-C", str(tree), "checkout", "--quiet", commit]):
        if subprocess.run(command, check=False, timeout=60).returncode != 0:
            raise OperatorError(
                f"there is no commit {commit} here", "give FROM=, or fetch the history"
            )
    pins = Path("requirements/dev.txt")
    if (tree / pins).read_bytes() == (ROOT / pins).read_bytes():
        (tree / ".venv").symlink_to(ROOT / ".venv")
    return tree


def make(tree: Path, goal: str, **more: str) -> float:
    """Seconds it took; all it said is kept in build/upgrade/."""
    words = [f"{name}={value}" for name, value in {**SETTINGS, **more}.items()]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    log = FOLDER / f"{tree.name}-{goal}.log"
    began = time.monotonic()
    with log.open("w", encoding="utf-8") as out:
        ended = subprocess.run(
            ["make", goal, *words],
            cwd=tree,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            timeout=STEP_WITHIN_S,
            check=False,
        )
    took_s = time.monotonic() - began
    if ended.returncode != 0:
        raise OperatorError(f"make {goal} in {tree} ended with {ended.returncode}", f"read {log}")
    print(f"  make {goal} in {tree.name}: {took_s:.0f} s", flush=True)
    return took_s


def reset() -> None:
    command = [sys.executable, "-m", "lab", "reset", "--state", str(STATE), "--keep-templates"]
    subprocess.run(command, cwd=ROOT, check=False, timeout=300, capture_output=True)
    shutil.rmtree(STATE, ignore_errors=True)


@contextmanager
def lab() -> Iterator[None]:
    """Clean at the start also after a killed run, without a trace at the end."""
    os.environ["CTLV_LAB_STATE"] = str(STATE)
    reset()
    try:
        yield
    finally:
        reset()


def run(commit: str) -> tuple[str, list[str]]:
    before = old_tree(commit)
    with lab():
        make(before, "up")
        make(before, "demo", YES="1")
        site = read_site("lab")
        began = time.monotonic()
        with person(site) as account:
            with Load(site.url, account) as load:
                upgrade_s = make(ROOT, "deploy")
                again_s = make(ROOT, "deploy")
            lost = load.outcome.acknowledged - rows_of_the_probe(site)
        demo = on(site, "web", ["agenda-manage", "shell", "-v0", "-c", DEMO_TASKS]).split()
        make(ROOT, "verify")
        make(ROOT, "rollback")
    wrong = [f"{len(lost)} acknowledged writes are lost"] if lost else []
    if not demo or int(demo[-1]) == 0:
        wrong.append("the example's tasks are gone")
    table = "\n".join(
        [
            "| what | result |",
            "|---|---|",
            f"| from | {commit} |",
            f"| people saw, in {time.monotonic() - began:.0f} s | {load.outcome.summary()} |",
            f"| acknowledged writes lost | {len(lost)} |",
            f"| make deploy, the upgrade; again | {upgrade_s:.0f} s; {again_s:.0f} s |",
        ]
    )
    return table, wrong


def main() -> int:
    parser = Parser(prog="python -m tests.drills.upgrade", description=__doc__)
    add_arguments(parser)
    parser.add("--from", make="FROM", dest="commit", default=LAST_RELEASE, help="the one before")
    given = parser.parse()
    try:
        ask(given, drill="drill-upgrade", what="makes a lab of its own")
        table, wrong = run(given.commit)
    except OperatorError as error:
        print(error, file=sys.stderr)
        return 1
    kept = result.keep("upgrade", table, wrong=wrong, recorded=given.keep)
    print(f"{table}\n{''.join(f'WRONG: {line}' + chr(10) for line in wrong)}Kept in {kept}.")
    print(f"drill-upgrade lab: {'FAILED' if wrong else 'passed'}, from {given.commit}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
