"""`make verify`: prove that what is deployed behaves.

Exit codes: 0 everything is proved, 1 something is wrong, 3 something could not be proved (and
nothing was wrong). The last line says which.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.arguments import Parser
from tests.infra.site import ROOT, SiteError, read_site, state_folder

NOT_PROVED = "NOT PROVED: "
QUICK = ("test_services.py", "test_web.py", "test_life.py", "test_api.py")


class Result:
    """Counts what the tests said, for the line at the end."""

    def __init__(self) -> None:
        self.proved = 0
        self.wrong: list[str] = []
        self.open: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.wrong.append(report.nodeid)
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
    folder = state_folder(environment)
    with (folder / "verify.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("Another verify of this environment is running: waiting for it.", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def arguments() -> argparse.Namespace:
    parser = Parser(prog="python -m tests.infra", description=__doc__)
    parser.add_environment(default="lab")
    parser.add_argument("--quick", action="store_true", help="what a user notices, only")
    parser.add_argument("--only", default="", help="pytest -k expression")
    parser.add("--verbose", make="VERBOSE", action="store_true", help="one line a test")
    return parser.parse()


def run(environment: str, *, quick: bool, only: str, verbose: bool) -> int:
    began = time.monotonic()
    read_site(environment)
    os.environ["CTLV_VERIFY"] = environment
    os.environ["CTLV_VERIFY_QUICK"] = "1" if quick else ""
    here = Path(__file__).parent
    report = ROOT / "build/verify" / f"{environment}.xml"
    result = Result()
    with alone(environment):
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
                "-v" if verbose else "-q",
            ],
            plugins=[result],
        )
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
    try:
        return run(given.env, quick=given.quick, only=given.only, verbose=given.verbose)
    except SiteError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
