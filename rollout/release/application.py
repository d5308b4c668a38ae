"""Code, translations and static files of a release, as one archive."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from provision.errors import OperatorError
from rollout.release.archive import write_archive
from rollout.release.inputs import Inputs

TIMEOUT_S = 120


def build_application(inputs: Inputs, target: Path) -> None:
    """Write the archive of `inputs` to `target`: app/, static/, release.json, two links.

    venv leads to its Python environment, web.sock to where it listens when it runs.
    """
    with tempfile.TemporaryDirectory(prefix="ctlv-release-") as folder:
        stage = Path(folder) / "release"
        _copy(inputs, stage)
        _compile_messages(stage / "app")
        _collect_static(stage, scratch=Path(folder))
        described = {"release": inputs.release, "runtime": inputs.runtime}
        (stage / "release.json").write_text(json.dumps(described) + "\n", encoding="utf-8")
        links = [
            ("venv", f"../../shared/{inputs.runtime}"),
            ("web.sock", f"/run/agenda/{inputs.release}/web.sock"),
        ]
        write_archive(stage, target, links=links)


def _copy(inputs: Inputs, stage: Path) -> None:
    for name in inputs.files:
        (stage / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(inputs.root / name, stage / name)


def _compile_messages(app: Path) -> None:
    for source in sorted(app.rglob("*.po")):
        compiled = str(source.with_suffix(".mo"))
        _run(["msgfmt", "--check", "--output-file", compiled, str(source)], "correct that .po file")


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
    _run(command, "run 'make test-fast', it shows the same mistake", environment=kept | settings)


def _run(command: list[str], next_step: str, *, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nothing"]
        raise OperatorError(
            f"{Path(command[0]).name} failed with {done.returncode}: {' / '.join(said[-3:])}",
            next_step=next_step,
        )
