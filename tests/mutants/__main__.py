"""`make mutants`: a thousand small mistakes, one at a time; does a test notice each?

    python -m tests.mutants [--sample] [--only NAME]... [--fresh] [--keep] [--minutes N]

May be killed at any moment: what was answered is kept in build/mutants/ for as long as the function
is the same. A mutant that lived is asked about again each time, so a new test is seen at once.
Exits 1 when a mutant lives that tests/mutants/equivalent.toml does not explain.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from provision.arguments import Parser
from tests.mutants.asking import Answer, Question, Slot, ask_all, collected, lines_run
from tests.mutants.mutations import ROOT, SAMPLE, SAMPLE_TESTS, SUBJECTS, Mutant, Subject, mutants

KEPT = ROOT / "build" / "mutants"
REASONS = ROOT / "tests" / "mutants" / "equivalent.toml"
PAGE = ROOT / "docs" / "mutants.md"
MARK = "<!-- written by make mutants KEEP=1 -->"
BASELINE_LIMIT_S = 300
SLOTS = min(4, os.cpu_count() or 1)
Ask = Callable[..., None]
Look = Callable[[Question], dict[int, list[str]]]


class Refusal(Exception):  # noqa: N818 - exceptions say what happened, as in app/
    """Two lines for the operator."""


@dataclass(kw_only=True)
class Run:
    """One module's mutants and what is known of them."""

    subject: Subject
    tests: Sequence[str]
    mutants: list[Mutant]
    log: Path | None
    limit_s: float = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    # Line -> the tests that run it, where that is known; and how many mutants each test noticed.
    lines: dict[int, list[str]] = field(default_factory=dict)
    noticed: Counter[str] = field(default_factory=Counter)

    def waiting(self) -> list[Mutant]:
        known = self.answers
        return [made for made in self.mutants if made.key not in known or known[made.key].is_alive]

    def question(self, mutant: Mutant) -> Question:
        """To those that run what is changed, first those that noticed most of the others; to all
        where it is run while the module is imported, or that is not known.
        """
        own = {test for line in mutant.lines() for test in self.lines.get(line, ())}
        known = own or {test for tests in self.lines.values() for test in tests}
        return Question(
            key=mutant.key,
            name=self.subject.name,
            code=mutant.code(),
            tests=self.tests,
            limit_s=self.limit_s,
            chosen=sorted(known, key=lambda test: (-self.noticed[test], test)) if known else None,
            is_whole=bool(known) and not own,
            is_pure=self.subject.is_pure,
        )

    def tell(self, answer: Answer) -> None:
        self.answers[answer.key] = answer
        self.noticed[answer.why] += 1
        if self.log:
            with self.log.open("a", encoding="utf-8") as log:
                log.write(json.dumps(asdict(answer)) + "\n")

    def alive(self) -> list[Mutant]:
        known = self.answers
        return [made for made in self.mutants if made.key in known and known[made.key].is_alive]


def _whole(subject: Subject, *, is_fresh: bool) -> Run:
    KEPT.mkdir(parents=True, exist_ok=True)
    log = KEPT / f"{subject.name}.jsonl"
    if is_fresh:
        log.unlink(missing_ok=True)
    run = Run(subject=subject, tests=subject.tests, mutants=mutants(subject), log=log)
    keys = {mutant.key for mutant in run.mutants}
    for line in log.read_text("utf-8").splitlines() if log.exists() else ():
        answer = Answer(**json.loads(line))
        if answer.key in keys:
            run.answers[answer.key] = answer
    return run


def _sample() -> list[Run]:
    subjects = {subject.name: subject for subject in SUBJECTS}
    return [
        Run(
            subject=subjects[name],
            tests=SAMPLE_TESTS[name],
            mutants=[
                mutant
                for mutant in mutants(subjects[name])
                if mutant.kind == kind and _is_sampled(mutant)
            ],
            log=None,
        )
        for name, kind in SAMPLE
    ]


def _is_sampled(mutant: Mutant) -> bool:
    """What shows and what erases a task; not the month's pages, nor who heard the last call."""
    line = mutant.change()[0]
    if mutant.subject.name == "agenda.models":
        return "deadline_at__gt=at, removed_at=None" in line or "at - grace" in line
    return "announced" not in line


def _baseline(run: Run, ask: Ask) -> None:
    """The tests pass on the code as it is, in every slot; how long they take sets the limit."""
    told: list[Answer] = []
    code = (
        Question(
            key=f"as it is {n}",
            name="",
            code=None,
            tests=run.tests,
            limit_s=BASELINE_LIMIT_S,
            is_pure=run.subject.is_pure,
        )
        for n in range(SLOTS if run.log else 1)
    )
    ask(code, tell=told.append)
    for answer in told:
        if not answer.is_alive:
            raise Refusal(
                f"mutants: the tests of {run.subject.name} fail on the code as it is:"
                f" {answer.why}\n"
                f"  Next: .venv/bin/pytest -x {' '.join(run.tests)}"
            )
    run.limit_s = 10 + 4 * max(answer.took_s for answer in told)


def _ask(run: Run, ask: Ask, look: Look, *, stop_at: float) -> None:
    waiting = run.waiting()
    if time.monotonic() >= stop_at or not waiting:
        return
    _baseline(run, ask)
    if run.subject.is_pure:
        run.lines = look(
            Question(
                key="lines",
                name="",
                code=None,
                tests=run.tests,
                limit_s=BASELINE_LIMIT_S,
                is_pure=True,
                watched=run.subject.path,
            )
        )
    count = 0

    def tell(answer: Answer) -> None:
        nonlocal count
        count += 1
        run.tell(answer)
        lives = "LIVES" if answer.is_alive else "dies"
        place = f"{run.subject.name} {count}/{len(waiting)}"
        print(f"{place} {lives} {answer.key} ({answer.took_s:.1f} s) {answer.why[:90]}", flush=True)

    before_the_end = (run.question(each) for each in waiting if time.monotonic() < stop_at)
    ask(before_the_end, tell=tell)
    if run.log:
        _baseline(run, ask)  # else what died may have died of a broken database


def reasons() -> dict[tuple[str, str, str], str]:
    """(module, line before, line after) -> why no test can tell the difference."""
    table = tomllib.loads(REASONS.read_text("utf-8"))["lives"] if REASONS.exists() else []
    return {(row["module"], row["before"], row["after"]): row["why"] for row in table}


def _report(runs: Sequence[Run]) -> int:
    """The number of mutants that live and are not explained."""
    known, unexplained = reasons(), 0
    for run in runs:
        for mutant in run.alive():
            before, after = mutant.change()
            if (run.subject.name, before, after) not in known:
                unexplained += 1
                print(f"\nLIVES {run.subject.name}:{mutant.line} {mutant.key}")
                print(f"  - {before}\n  + {after}")
    asked = sum(len(run.answers) for run in runs)
    alive = sum(len(run.alive()) for run in runs)
    left = sum(len(run.mutants) for run in runs) - asked
    print(
        f"\nmutants: {asked} asked, {asked - alive} died, {alive} live"
        f" ({alive - unexplained} of them explained){f', {left} not asked yet' if left else ''}"
    )
    return unexplained


def _keep(runs: Sequence[Run], *, took_s: float) -> None:
    known = reasons()
    commit = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    ).stdout.strip()
    lines = [
        f"Measured at commit {commit}, {datetime.now(UTC):%Y-%m-%d}; the last call took"
        f" {took_s / 60:.0f} minutes (what earlier calls had answered is kept).",
        "",
        "| module | mutants | died | live | not asked |",
        "|---|---:|---:|---:|---:|",
    ]
    for run in runs:
        made, asked, alive = len(run.mutants), len(run.answers), len(run.alive())
        row = f"| {run.subject.name} | {made} | {asked - alive} | {alive} | {made - asked} |"
        lines.append(row)
    total = [sum(column) for column in zip(*(_counts(run) for run in runs), strict=True)]
    lines += ["| **all** | " + " | ".join(f"**{number}**" for number in total) + " |", ""]
    lines += [
        "Those that live:",
        "",
        "| where | the code | the mutant | why |",
        "|---|---|---|---|",
    ]
    for run in runs:
        for mutant in run.alive():
            before, after = mutant.change()
            why = known.get((run.subject.name, before, after), "**not explained**")
            cells = [f"{run.subject.name}:{mutant.line}", f"`{before}`", f"`{after}`", why]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    head = PAGE.read_text("utf-8").partition(MARK)[0]
    PAGE.write_text(f"{head}{MARK}\n\n" + "\n".join(lines) + "\n", "utf-8")
    print(f"mutants: written into {PAGE.relative_to(ROOT)}")


def _counts(run: Run) -> tuple[int, int, int, int]:
    made, asked, alive = len(run.mutants), len(run.answers), len(run.alive())
    return made, asked - alive, alive, made - asked


def _chosen(options: argparse.Namespace) -> list[Run]:
    if options.sample:
        return _sample()
    names = [subject.name for subject in SUBJECTS]
    if wrong := sorted(set(options.only) - {*names}):
        raise Refusal(
            f"mutants: no such module: {', '.join(wrong)}\n  Next: one of {' '.join(names)}"
        )
    chosen = [subject for subject in SUBJECTS if subject.name in (options.only or names)]
    return [_whole(subject, is_fresh=options.fresh) for subject in chosen]


def main() -> int:
    parser = Parser(prog="python -m tests.mutants")
    parser.add_argument("--sample", action="store_true", help="only the deadline's own instant")
    parser.add("--only", make="NAME", action="append", default=[], metavar="MODULE")
    parser.add(
        "--fresh", make="FRESH", action="store_true", help="forget what earlier calls answered"
    )
    parser.add("--keep", make="KEEP", action="store_true", help="write docs/mutants.md")
    parser.add(
        "--minutes",
        make="MINUTES",
        type=float,
        default=120.0,
        help="stop asking after that long",
    )
    options = parser.parse()
    began = time.monotonic()
    os.nice(0 if options.sample else 19)
    runs = _chosen(options)
    slots = [Slot() for _ in range(1 if options.sample else SLOTS)]
    refused: list[Refusal] = []

    def work(session: pytest.Session) -> None:
        ask = partial(ask_all, slots=slots, session=session)
        look = partial(lines_run, slots=slots, session=session)
        try:
            for slot in slots:
                slot.start(has_database=not all(run.subject.is_pure for run in runs))
            for run in runs:
                _ask(run, ask, look, stop_at=began + 60 * options.minutes)
        except Refusal as refusal:
            refused.append(refusal)
        finally:
            for slot in slots:
                slot.stop()

    status = collected(sorted({test for run in runs for test in run.tests}), work)
    if refused:
        raise refused[0]
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise Refusal(f"mutants: pytest ended with {status}\n  Next: make test-fast")
    unexplained = _report(runs)
    if options.keep:
        _keep(runs, took_s=time.monotonic() - began)
    return 1 if unexplained else 0


if __name__ == "__main__":
    # In the background a shell has SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except Refusal as refusal:
        sys.exit(str(refusal))
    except KeyboardInterrupt:
        sys.exit("mutants: interrupted; what was answered is kept\n  Next: make mutants")
