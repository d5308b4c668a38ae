"""`make verify`: prove that what is deployed behaves.

Exit codes: 0 everything is proved, 1 something is wrong, 3 something could not be proved (and
nothing was wrong). The last line says which.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

import pytest

from provision import files
from provision.arguments import Parser
from provision.errors import OperatorError
from provision.inventory import load
from provision.logs import new_log
from rollout.play import check_left_out
from tests.infra.site import ROOT, read_cluster, read_site, state_folder

NOT_PROVED = "NOT PROVED: "
CAUSE_LINES = 15
ERASE = "\r\x1b[K"
QUICK = ("test_services.py", "test_web.py", "test_life.py", "test_api.py")


class Result:
    """Counts what the tests said, for the line at the end."""

    def __init__(self, screen: IO[str] | None = None) -> None:
        self.proved = 0
        self.wrong: list[str] = []
        self.open: list[str] = []
        self.screen = screen
        self.asked = 0
        self.began = time.monotonic()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.asked = len(session.items)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if self.screen and self.screen.isatty():
            done = self.proved + len(self.wrong) + len(self.open)
            took_s = time.monotonic() - self.began
            name = nodeid.rpartition("::")[2][:50]
            self.screen.write(f"{ERASE}[{done + 1}/{self.asked}] {took_s:.0f} s  {name}")
            self.screen.flush()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.wrong.append(report.nodeid)
            if self.screen:
                erase = ERASE if self.screen.isatty() else ""
                why = report.longreprtext.strip().splitlines()[-CAUSE_LINES:]
                print(f"{erase}wrong: {report.nodeid}", *why, sep="\n    ", file=self.screen)
                self.screen.flush()
        elif report.skipped:
            reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else "")
            self.open.append(reason.partition(NOT_PROVED)[2] or reason)
        elif report.when == "call":
            self.proved += 1

    def exit_code(self, status: int) -> int:
        if self.wrong or status not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
            return 1
        return 3 if self.open or not self.proved else 0


@contextlib.contextmanager
def alone(environment: str) -> Iterator[None]:
    """One verify at a time on this machine: all write the same report."""
    waits = "Another verify of this environment is running: waiting for it."
    with files.locked(state_folder(environment) / "verify.lock", waits=waits):
        yield


@contextlib.contextmanager
def told_to(log: Path | None) -> Iterator[None]:
    """What pytest says goes there; None: to the screen, as ever."""
    if log is None:
        yield
        return
    with log.open("a", encoding="utf-8") as kept, contextlib.redirect_stdout(kept):
        yield


def arguments() -> argparse.Namespace:
    parser = Parser(prog="python -m tests.infra", description=__doc__)
    parser.add_environment(default="lab")
    parser.add_argument("--quick", action="store_true", help="what a user notices, only")
    parser.add_argument("--only", default="", help="pytest -k expression")
    parser.add("--verbose", make="VERBOSE", action="store_true", help="one line a test")
    parser.add("--skip", nargs="+", default=[], help="web and REST hosts that are down")
    parser.add_argument("--canary", action="store_true", help="the skipped serve another release")
    return parser.parse()


def name_lost(environment: str, skip: list[str]) -> None:
    """Say which hosts lie on a node that is off, before each of their proofs fails.

    On one node there is nobody to ask: the API is that node's.
    """
    nodes = {own.get("lxc_node") for own in load(environment, root=ROOT).hosts.values()}
    try:
        wants, actual = read_cluster(environment) if len(nodes) > 1 else (None, None)
    except OperatorError:
        return
    lost = {
        wanted.host: actual.unread[wanted.vmid]
        for wanted in (wants.containers if wants else ())
        if wanted.vmid in actual.unread and wanted.host not in skip
    }
    if lost:
        print(
            "verify: " + "; ".join(f"{host}: {why}" for host, why in lost.items()),
            "  Next: bring the node back; or leave web and REST hosts out: "
            f"SKIP='{' '.join(lost)}'",
            sep="\n", file=sys.stderr, flush=True,
        )  # fmt: skip


def run(environment: str, *, quick: bool, only: str, verbose: bool, skip: list[str]) -> int:
    began = time.monotonic()
    if skip:
        check_left_out(load(environment, root=ROOT), skip)
    os.environ["CTLV_VERIFY_SKIP"] = " ".join(skip)
    read_site(environment)
    name_lost(environment, skip)
    os.environ["CTLV_VERIFY"] = environment
    os.environ["CTLV_VERIFY_QUICK"] = "1" if quick else ""
    here = Path(__file__).parent
    report = ROOT / "build/verify" / f"{environment}.xml"
    log = new_log(f"verify-{environment}", at=datetime.now())
    screen = None if verbose else os.fdopen(os.dup(sys.stdout.fileno()), "w")
    result = Result(screen)
    result.open += [f"{name} was left out by SKIP" for name in skip]
    with alone(environment), told_to(log if screen else None):
        status = pytest.main(
            [
                *([str(here / name) for name in QUICK] if quick else [str(here)]),
                *(
                    "-p",
                    "no:cacheprovider",
                    "-p",
                    "no:pytest11.testinfra",
                    "--tb=short",
                    "--no-header",
                ),
                *(f"--rootdir={ROOT}", f"--junitxml={report}", "-m", "not lab"),
                *(["-k", only] if only else []),
                "-v",
            ],
            plugins=[result],
        )
    if screen:
        screen.write(ERASE if screen.isatty() else "")
        screen.close()
        print(f"the whole log: {os.path.relpath(log)}")
    code = result.exit_code(status)
    for what in sorted(set(result.open)):
        print(f"{NOT_PROVED}{what}")
    verdict = {0: "proved", 1: "FAILED", 3: "NOT PROVED"}[code]
    print(
        f"verify {environment}: {verdict}: {result.proved} proofs, {len(result.wrong)} wrong, "
        f"{len(result.open)} not proved, in {time.monotonic() - began:.0f} s"
    )
    return code


def main() -> int:
    given = arguments()
    os.environ["CTLV_VERIFY_CANARY"] = "1" if given.canary else ""
    try:
        return run(
            given.env,
            quick=given.quick, only=given.only, verbose=given.verbose, skip=given.skip,
        )  # fmt: skip
    except OperatorError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
