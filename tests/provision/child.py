"""`apply` in a process of its own, on the tests' inventory: something to be killed."""

from __future__ import annotations

import sys

from provision import cli
from tests.provision import situations


def main() -> int:
    cli.load = lambda *_, **__: situations.inventory()  # type: ignore[assignment] # no Ansible here
    return cli.main(["apply", "--env", "lab", "--yes"])


if __name__ == "__main__":
    sys.exit(main())
