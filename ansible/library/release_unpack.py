#!/usr/bin/python
"""Unpack a release and its Python environment: its action plugin sends the archives first."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: release_unpack
short_description: Send a release to a host and unpack it there
description:
  - The last file of each archive is .complete, and the environment comes first. Where the release
    has that file everything is there, and what was interrupted is done again.
options:
  release: {description: Its name., required: true, type: str}
  archive: {description: Code and static files, on the controller., required: true, type: path}
  runtime: {description: Name of its Python environment., required: true, type: str}
  runtime_archive:
    description: That environment, on the controller. Sent only where with_runtime says so.
    required: true
    type: path
  with_runtime: {description: Whether the host lacks it., type: bool, default: true}
  home: {description: Folder of the releases., type: path, default: /opt/agenda}
author: CTLV
"""
TIMEOUT_S = 300


def unpack(archive: Path, folder: Path) -> None:
    folder.mkdir(mode=0o755, exist_ok=True)
    run("tar", "--extract", "--gzip", "--no-same-owner", f"--file={archive}", cwd=folder)
    archive.unlink()


def run(*command: str, cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=TIMEOUT_S)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "release": {"type": "str", "required": True},
            "archive": {"type": "path", "required": True},
            "runtime": {"type": "str", "required": True},
            "runtime_archive": {"type": "path", "required": True},
            "with_runtime": {"type": "bool", "default": True},
            "home": {"type": "path", "default": "/opt/agenda"},
        },
        supports_check_mode=True,
    )
    given = module.params
    home = Path(given["home"])
    folder = home / "releases" / given["release"]
    try:
        if given["with_runtime"]:
            unpack(Path(given["runtime_archive"]), home / "shared" / given["runtime"])
        unpack(Path(given["archive"]), folder)
        # The service may not write its code, and the timer starts every ten seconds: without this
        # each start compiles anew.
        run("venv/bin/python", "-m", "compileall", "-q", "app", cwd=folder)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().splitlines() or ["nothing"]
        module.fail_json(msg=f"{error.cmd[0]} failed in {folder}: {said[-1]}")
    except (OSError, subprocess.TimeoutExpired) as error:
        module.fail_json(msg=f"{folder}: {type(error).__name__}: {error}")
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
