"""A verb in a process of its own, on the tests' inventory: something to be killed or watched.

Without words it is `apply`.
"""

from __future__ import annotations

import sys

from provision import cli
from tests.provision import situations


def main(verb: str, *words: str) -> int:
    cli.load = lambda *_, **__: situations.inventory()  # type: ignore[assignment] # no Ansible here
    return cli.main([verb, "--env", "lab", *words])


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or ["apply", "--yes"])))
