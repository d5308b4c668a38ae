#!/usr/bin/python
"""Keep what the database held before its schema is changed: for root alone, and not for long."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: release_dump
short_description: Dump a database before its schema is changed
description:
  - As root through the server's socket, consistent, while the agenda goes on writing.
options:
  database: {description: Its name., required: true, type: str}
  name: {description: For which release., required: true, type: str}
  folder:
    description: Where dumps lie.
    type: path
    default: /var/backups/agenda-before-migrations
  keep: {description: How many are kept., type: int, default: 3}
  recipients:
    description: Whose keys open it (age1...); with none it lies in clear, for root alone.
    type: list
    elements: str
    default: []
author: CTLV
"""
TIMEOUT_S = 600


def dump(database: str, target: Path, *, recipients: list[str]) -> None:
    """Write the compressed dump; under its name only when mariadb-dump said that it is whole.

    With recipients (age1...) only their keys open it.
    """
    unfinished = target.with_name(f".{target.name}")
    unfinished.unlink(missing_ok=True)
    command = ["mariadb-dump", "--single-transaction", "--quick", "--skip-comments", database]
    keys = [word for key in recipients for word in ("--recipient", key)]
    last = ["age", "--encrypt", *keys] if recipients else ["cat"]
    with (
        os.fdopen(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as raw,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as source,
        subprocess.Popen(last, stdin=subprocess.PIPE, stdout=raw, stderr=subprocess.PIPE) as sealed,
    ):
        try:
            with gzip.GzipFile(
                fileobj=sealed.stdin, mode="wb", compresslevel=3, filename=""
            ) as packed:
                shutil.copyfileobj(source.stdout, packed)  # type: ignore[arg-type] # pipes, as asked
        except BrokenPipeError:
            source.terminate()
        sealed_said = sealed.communicate(timeout=TIMEOUT_S)[1]
        said = source.communicate(timeout=TIMEOUT_S)[1] or sealed_said
        if source.returncode != 0 or sealed.returncode != 0:
            unfinished.unlink()
            raise RuntimeError((sealed_said or said).decode(errors="replace").strip()[-300:])
    unfinished.replace(target)


def forget(folder: Path, *, keep: int) -> list[str]:
    """Remove all but the latest `keep`, and what a killed run left of one, which must not take the
    place of a whole one; their names. What grows old is role backup's.
    """
    found = sorted(folder.glob("*.sql.gz*"), key=lambda path: path.stat().st_mtime, reverse=True)
    halves = [path for path in found if path.name.startswith(".")]
    dumps = [path for path in found if path not in halves]
    gone = sorted([*dumps[keep:], *halves])
    for path in gone:
        path.unlink()
    return [path.name for path in gone]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "database": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "folder": {"type": "path", "default": "/var/backups/agenda-before-migrations"},
            "keep": {"type": "int", "default": 3},
            "recipients": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    given = module.params
    folder = Path(given["folder"])
    moment, kind = time.strftime("%Y-%m-%dT%H%M%S"), ".age" if given["recipients"] else ""
    target = folder / f"{moment}-before-{given['name']}.sql.gz{kind}"
    if module.check_mode:
        module.exit_json(changed=True, path=str(target))
    folder.mkdir(mode=0o700, exist_ok=True)
    try:
        dump(given["database"], target, recipients=given["recipients"])
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        module.fail_json(msg=f"the dump before the change of the schema failed: {error}")
    forget(folder, keep=given["keep"])
    module.exit_json(changed=True, path=str(target), bytes=target.stat().st_size)


if __name__ == "__main__":
    main()
