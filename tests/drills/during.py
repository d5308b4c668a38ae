"""People and programs work while one command changes something: does anybody notice?

    .venv/bin/python -m tests.drills.during --env lab --yes 'make provision YES=1 && make deploy'

Four keep their connection, four open one for each request, and a program asks the API with a token.
Each row of "Changes while people work" (docs/operations.md) was tried so. With `--url` they ask
there, such as at an address that passes from one container to another.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass

from provision.arguments import Parser
from provision.errors import OperatorError
from tests.drills.consent import add_arguments, ask
from tests.drills.load import Load, Outcome, trust
from tests.drills.redeploy import person, rows_of_the_probe
from tests.drills.result import end, keep
from tests.drills.rotate import programs
from tests.infra.remote import RemoteError
from tests.infra.site import ROOT, read_site

PEOPLE = 4
# What comes late, such as a neighbour that still remembers another container.
AFTER_S = 10


@dataclass(frozen=True, slots=True)
class Seen:
    """While the command ran, by who asked how."""

    seconds: float
    exit_code: int
    by: dict[str, Outcome]
    lost: int

    def table(self, command: str) -> str:
        lines = [f"`{command}`: {self.seconds:.0f} s, exit {self.exit_code}", ""]
        lines += ["| who | saw |", "|---|---|"]
        lines += [f"| {who} | {outcome.summary()} |" for who, outcome in self.by.items()]
        return "\n".join([*lines, f"| acknowledged writes lost | {self.lost} |"])

    @property
    def wrong(self) -> list[str]:
        found = [f"{who}: {len(outcome.failures)} of {outcome.requests} requests failed"
                 for who, outcome in self.by.items() if outcome.failures]  # fmt: skip
        found += [f"{self.lost} acknowledged writes are lost"] * bool(self.lost)
        return found + [f"the command ended with {self.exit_code}"] * bool(self.exit_code)


def run(environment: str, command: str, *, url: str) -> Seen:
    site = read_site(environment)
    trust(site)
    root = url or site.root_of(site.of("web")[0])
    with person(site) as account:
        token = account.pop("token")
        with (
            Load(root, account, people=PEOPLE) as kept,
            Load(root, account, people=PEOPLE).at_new_connections() as new,
            programs([root], token) as asked,
        ):
            began = time.monotonic()
            # It takes the lock of this environment by itself.
            ended = subprocess.run(["sh", "-ec", command], cwd=ROOT, check=False)
            seconds = time.monotonic() - began
            time.sleep(AFTER_S)
        by = {"kept alive": kept.outcome, "new connections": new.outcome, "programs": asked}
        acknowledged = kept.outcome.acknowledged | new.outcome.acknowledged
        # As `person` does.
        read_site.cache_clear()
        lost = acknowledged - rows_of_the_probe(read_site(environment))
        return Seen(seconds, ended.returncode, by, len(lost))


def main() -> int:
    parser = Parser(prog="python -m tests.drills.during", description=__doc__)
    add_arguments(parser)
    parser.add_argument("command", help="for the shell, in this folder")
    parser.add_argument("--url", default="", help="such as http://198.18.28.156")
    given = parser.parse()
    try:
        ask(given, drill="during", what=f"runs {given.command}")
        seen = run(given.env, given.command, url=given.url)
    except (OperatorError, RemoteError) as error:
        print(error, file=sys.stderr)
        return 1
    table = seen.table(given.command)
    print(table)
    kept = keep("during", table, wrong=seen.wrong, recorded=given.keep)
    asked = sum(outcome.requests for outcome in seen.by.values())
    return end("during", given.env, kept, wrong=seen.wrong, of=f"{asked} requests")


if __name__ == "__main__":
    sys.exit(main())
