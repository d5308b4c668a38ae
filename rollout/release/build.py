#!/usr/bin/env python3
"""Build a release of the agenda for one Debian release, or find it in the cache.

    release.py --debian trixie

Prints one line of JSON: release, archive, runtime, runtime_archive, and built (was anything done).
Ansible calls it on the controller; it may be killed at any moment and run again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from provision import files
from provision.environment import ROOT
from provision.errors import OperatorError
from rollout.release.application import build_application
from rollout.release.inputs import read_inputs
from rollout.release.runtime import build_runtime


def build(root: Path, *, debian: str, cache: Path) -> dict[str, str | bool]:
    """Names and archives of the release that `root` holds now; builds what the cache lacks."""
    folder = cache / "releases"
    folder.mkdir(parents=True, exist_ok=True)
    inputs = read_inputs(root, debian=debian)
    archive = folder / f"{inputs.release}.tar.gz"
    runtime_archive = folder / f"{inputs.runtime}.tar.gz"
    built = False
    with files.locked(folder / ".lock"):  # two labs of one machine may deploy at once
        if not runtime_archive.exists():
            build_runtime(
                debian=debian,
                name=inputs.runtime,
                requirements=root / "requirements",
                cache=cache,
                target=runtime_archive,
            )
            built = True
        if not archive.exists():
            build_application(inputs, archive)
            built = True
    return {
        "release": inputs.release,
        "archive": str(archive),
        "runtime": inputs.runtime,
        "runtime_archive": str(runtime_archive),
        "built": built,
    }


def said(error: OSError | subprocess.SubprocessError) -> str:
    """In one line, without the rest of a command, which may be long."""
    if isinstance(error, subprocess.CalledProcessError):
        last = (error.stderr or "").strip().splitlines() or ["nothing"]
        return f"{error.cmd[0]} failed with {error.returncode}: {last[-1]}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"{error.cmd[0]} did not end within {error.timeout:.0f} s"
    return str(error)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--debian", required=True, help="codename of the target's Debian release")
    arguments = parser.parse_args()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    try:
        print(json.dumps(build(ROOT, debian=arguments.debian, cache=Path(home) / "ctlv")))
    except OperatorError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    except (OSError, subprocess.SubprocessError) as error:
        print(
            f"release: {said(error)}\n"
            "  Next: run `setup/machine packages`, and this in a clone that git knows",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
