"""schemathesis against a served REST server. By hand: `python -m tests.app.api.fuzz EXAMPLES`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.app.api.served import ServedRest

ROOT = Path(__file__).resolve().parents[3]
LIMIT_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    report: str
    failures: list[str]
    operations: int
    tested: int
    cases: int


def fuzz(rest: ServedRest, *, examples: int, seed: int) -> Found:
    """Every phase and check of schemathesis, with the configuration of schemathesis.toml."""
    # Others of the same user, for what lists and revokes tokens.
    tokens = [rest.token_of("fuzz") for _ in range(3)]
    ended = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "--no-color", "run"),
            f"{rest.address}/api/v1/openapi.json",
            *("--checks", "all", "--max-examples", str(examples), "--seed", str(seed)),
        ],
        cwd=ROOT,
        env={**os.environ, "TOKEN": tokens[-1]},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    report = ended.stdout + ended.stderr
    failures = re.findall(r"^- (ST\d+ .*)|^(.* Error)$", report, re.MULTILINE)
    if ended.returncode and not failures:
        failures = [("", f"schemathesis ended with {ended.returncode}")]
    return Found(
        report=report,
        failures=[code or error for code, error in failures],
        operations=_number(r"Selected: \d+/(\d+)", report),
        tested=_number(r"Tested: (\d+)", report),
        cases=_number(r"(\d+) generated", report),
    )


def _number(pattern: str, report: str) -> int:
    found = re.search(pattern, report)
    return int(found[1]) if found else 0


def main() -> None:
    rest = ServedRest()
    try:
        rest.start()
        found = fuzz(rest, examples=int(sys.argv[1]), seed=int(sys.argv[2]) if sys.argv[2:] else 1)
    finally:
        rest.stop()
    print(found.report)
    sys.exit(1 if found.failures else 0)


if __name__ == "__main__":
    main()
