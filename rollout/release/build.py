#!/usr/bin/env python3
"""Build a release of the agenda for one Debian release, or find it in the cache.

    python -m rollout.release.build --debian trixie

Prints one line of JSON: release, archive, runtime, runtime_archive, and built (was anything done).
Ansible calls it on the controller; it may be killed at any moment and run again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provision import files
from provision.environment import ROOT
from provision.errors import OperatorError, failing_as
from rollout.packages import SHIPPED, bill_of_materials
from rollout.release.runtime import build_runtime, run

# Raise it when the way a release is built changes, so that old archives are not taken for new ones.
RECIPE, RUNTIME_RECIPE = "5", "3"
# What the Python environment is made of, and what builds it.
PINS = (SHIPPED, "requirements/build.txt")
LAST = ".complete"
# Of each file of a release what it is, so that drift sees what was changed: in_effect.py reads it.
MANIFEST = "manifest.json"
# Not 0: zip, and so Python's own tools, know no time before 1980.
LONG_AGO_S = 315_619_200


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The files of a release, relative to `root`, and its names."""

    root: Path
    files: tuple[Path, ...]
    release: str  # names code, translations and static files
    runtime: str  # names the Python environment alone: a new line of code does not ship it again


def read_inputs(root: Path, *, debian: str, generation: str = "") -> Inputs:
    """Everything below app/ that git knows or would add. The same content gives the same names.

    A tree with uncommitted changes below app/ is built as it is; its name says so.
    """
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "app")
    known = sorted({Path(name) for name in listed.split("\0") if name})
    found = tuple(name for name in known if (root / name).is_file())
    pinned = [_content(root / name) for name in PINS]
    runtime = f"python-{_digest([RUNTIME_RECIPE, debian, *pinned])}"
    described = [
        f"{name}\0{bool((root / name).stat().st_mode & 0o100)}\0{_content(root / name)}"
        for name in found
    ]
    release = _digest([RECIPE, runtime, *described]) + (generation and f"-{generation}")
    dirty = _git(root, "status", "--porcelain", "--", "app", *PINS).strip()
    return Inputs(
        root=root, files=found, release=f"{release}-dirty" if dirty else release, runtime=runtime
    )


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _git(root: Path, *arguments: str) -> str:
    # safe.directory: as root on a clone that belongs to another user, git would refuse to answer.
    command = ["git", "-c", f"safe.directory={root}", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def build_application(inputs: Inputs, target: Path, *, runtime_archive: Path) -> None:
    """Write the archive of `inputs` to `target`: app/, static/, release.json, sbom.json,
    manifest.json, two links.

    venv leads to its Python environment, web.sock to where it listens when it runs.
    """
    with tempfile.TemporaryDirectory(prefix="ctlv-release-") as folder:
        stage = Path(folder) / "release"
        for name in inputs.files:
            (stage / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(inputs.root / name, stage / name)
        for source in sorted((stage / "app").rglob("*.po")):
            compiled = str(source.with_suffix(".mo"))
            command = ["msgfmt", "--check", "--output-file", compiled, str(source)]
            run(command, "correct that .po file")
        _collect_static(stage, scratch=Path(folder))
        described = {"release": inputs.release, "runtime": inputs.runtime}
        (stage / "release.json").write_text(json.dumps(described) + "\n", encoding="utf-8")
        pinned = (inputs.root / SHIPPED).read_text("utf-8")
        bill = bill_of_materials(pinned, release=inputs.release)
        (stage / "sbom.json").write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8")
        (stage / "venv").symlink_to(f"../../shared/{inputs.runtime}")
        (stage / "web.sock").symlink_to(f"/run/agenda/{inputs.release}/web.sock")
        described = manifest(stage) | packed(runtime_archive, prefix="venv/")
        (stage / MANIFEST).write_text(json.dumps(described, indent=0, sort_keys=True), "utf-8")
        pack(stage, target)


def manifest(folder: Path) -> dict[str, str]:
    """Path below `folder` -> SHA-256 of the file, or where the link leads."""
    return {
        str(path.relative_to(folder)): f"link {path.readlink()}"
        if path.is_symlink()
        else _content(path)
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def packed(archive: Path, *, prefix: str) -> dict[str, str]:
    """The same of what an archive holds, hard links included."""
    found: dict[str, str] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            name = prefix + member.name.removeprefix("./")
            if member.issym():
                found[name] = f"link {member.linkname}"
            elif (file := tar.extractfile(member)) is not None:
                found[name] = hashlib.sha256(file.read()).hexdigest()
    return found


def _collect_static(stage: Path, *, scratch: Path) -> None:
    """With the controller's own Django, which is the same version; no database is read."""
    password, key = scratch / "password", scratch / "key"
    password.write_text("unused", encoding="ascii")
    key.write_text("used-to-collect-static-files-only-" * 2, encoding="ascii")
    settings = {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "AGENDA_SECRET_KEY_FILE": str(key),
        "AGENDA_DATABASE_HOST": "127.0.0.1",
        "AGENDA_DATABASE_PASSWORD_FILE": str(password),
        "AGENDA_ALLOWED_HOSTS": "localhost",
        "AGENDA_STATIC_ROOT": str(stage / "static"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AGENDA_")}
    command = [sys.executable, str(stage / "app/manage.py"), "collectstatic", "--no-input", "-v0"]
    run(command, "run 'make test-fast', it shows the same mistake", environment=kept | settings)


def pack(source: Path, target: Path) -> None:
    """Everything in `source`, as an archive whose content alone decides its bytes.

    `.complete` comes last: an unpacking that was interrupted lacks it.
    """
    (source / LAST).touch()
    names = sorted(path.name for path in source.iterdir() if path.name != LAST)
    unfinished = target.with_name(f".{target.name}.unfinished")
    alike = ["--sort=name", "--owner=root:0", "--group=root:0", "--mode=u=rwX,go=rX"]
    alike += [f"--mtime=@{LONG_AGO_S}", "--use-compress-program=gzip --no-name"]
    where = ["--file", str(unfinished), "--directory", str(source)]
    run(["tar", "--create", *alike, *where, *names, LAST], "see `df`, then run the same again")
    unfinished.replace(target)


def build(root: Path, *, debian: str, cache: Path, generation: str = "") -> dict[str, str | bool]:
    """Names and archives of the release that `root` holds now; builds what the cache lacks."""
    folder = cache / "releases"
    folder.mkdir(parents=True, exist_ok=True)
    inputs = read_inputs(root, debian=debian, generation=generation)
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
            build_application(inputs, archive, runtime_archive=runtime_archive)
            built = True
    return {
        "release": inputs.release,
        "archive": str(archive),
        "runtime": inputs.runtime,
        "runtime_archive": str(runtime_archive),
        "built": built,
    }


def cache() -> Path:
    """Where what was built here lies."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ctlv"


def said(error: OSError | subprocess.SubprocessError) -> str:
    """In one line, without the rest of a command, which may be long."""
    if isinstance(error, subprocess.CalledProcessError):
        last = (error.stderr or "").strip().splitlines() or ["nothing"]
        return f"{error.cmd[0]} failed with {error.returncode}: {last[-1]}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"{error.cmd[0]} did not end within {error.timeout:.0f} s"
    return str(error)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--debian", required=True, help="codename of the target's Debian release")
    parser.add_argument("--generation", default="", help="of the secrets it is started with")
    asked = parser.parse_args()
    with failing_as("release"):
        try:
            built = build(ROOT, debian=asked.debian, cache=cache(), generation=asked.generation)
        except (OSError, subprocess.SubprocessError) as error:
            next_step = "run `setup/machine packages`, and this in a clone that git knows"
            raise OperatorError(said(error), next_step) from error
        print(json.dumps(built))


if __name__ == "__main__":
    main()
