"""A verb in a process of its own: something to be killed or watched.

Started as a program it is `apply` on the tests' inventory, unless words say otherwise. For tests
that need many, `forked` starts one from a server that has imported everything: a tenth of the time.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from provision import cli
from provision.inventory import Inventory
from tests.provision import situations

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["__main__", __name__])


def forked(inventory: Inventory, *words: str) -> ForkServerProcess:
    """Begin a verb on `inventory`."""
    process = SERVER.Process(target=silent, args=(inventory, dict(os.environ), *words))
    process.start()
    return process


def silent(inventory: Inventory, environ: dict[str, str], *words: str) -> None:
    os.environ |= environ
    with Path(os.devnull).open("w") as nowhere:
        sys.stdout = sys.stderr = nowhere
        sys.exit(main(*words, inventory=inventory))


def main(verb: str, *words: str, inventory: Inventory | None = None) -> int:
    def load(*_: Any, **__: Any) -> Inventory:
        """No Ansible here."""
        return inventory or situations.inventory()

    cli.load = load
    return cli.main([verb, "--env", "lab", *words])


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or ["apply", "--yes"])))
