"""What a machine without anything else needs, for the escrow key alone: `make escrow`.

    python -m rollout.escrow --env ENV [--key escrow-key.pub]

The escrow key is an SSH key of ed25519 whose private half lies in a safe, and an operator of that
name: it opens containers, operators.age and this bundle. The bundle is a clone of this tree as it
lies here and what git does not carry, to be unpacked into a home (docs/operations.md, "Escrow").
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

from provision import files
from provision.arguments import Parser
from provision.environment import LAB, ROOT, state_folder
from provision.errors import OperatorError, failing_as
from rollout import operators
from rollout.secrets import OPERATORS_SHARE, places, shared_place

ESCROW = "escrow"
# Of the lab, whose state folder stands for the inventory too.
LABS = (
    "vault.yml",
    "operators.txt",
    OPERATORS_SHARE,
    "backup-key.pub",
    "certificate-authority.txt",
)


def git(*words: str) -> bytes:
    """Also as root in a clone that belongs to another user."""
    allowed = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory"}
    try:
        return subprocess.run(
            ["git", *words],
            env={**os.environ, **allowed, "GIT_CONFIG_VALUE_0": "*"},
            check=True,
            capture_output=True,
            timeout=600,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or b"").decode(errors="replace").split()
        raise OperatorError(
            f"git {words[0]} failed in {ROOT}: {' '.join(said)[-200:] or error}",
            next_step="run this in a clone made by git",
        ) from error


def tree_into(folder: Path) -> None:
    """This tree as it lies here, edits included, as a clone that git knows."""
    git("clone", "--quiet", "--depth", "1", ROOT.as_uri(), str(folder))
    listed = git("-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.decode().split("\0")):
        (folder / name).unlink(missing_ok=True)
        if os.path.lexists(ROOT / name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)


def bundle(environment: str, folder: Path) -> bytes:
    """A tar, as it lies in a home. In `folder` the tree is put together, without a secret."""
    name, state = f"ctlv-{environment}", state_folder(environment)
    tree_into(folder / name)
    beside = {f".config/ctlv/{environment}.token": state.with_name(f"{environment}.token")}
    if environment == LAB:
        beside = {f"{name}/.lab/{file}": state / file for file in LABS}
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        tar.add(folder / name, name)
        for place, file in beside.items():
            if file.exists():
                member = tarfile.TarInfo(place)
                member.size, member.mode = file.stat().st_size, files.PRIVATE
                member.mtime = int(file.stat().st_mtime)
                tar.addfile(member, io.BytesIO(file.read_bytes()))
    return body.getvalue()


def act(asked: Namespace) -> str:
    suffix = "" if asked.env == LAB else f" ENV={asked.env}"
    known = operators.read(operators.list_file(asked.env))
    if not places(asked.env)[0].exists():
        raise OperatorError(
            f"{asked.env} has no secrets yet", next_step=f"make secrets{suffix}, or make up{suffix}"
        )
    if ESCROW not in known or asked.key:
        if not asked.key:
            raise OperatorError(
                "no operator is named escrow, so there is no key to make the bundle for",
                next_step="ssh-keygen -t ed25519 -N '' -C escrow -f escrow-key, "
                f"make escrow{suffix} KEY=escrow-key.pub, and put escrow-key into a safe",
            )
        asked.verb, asked.name = "add", ESCROW
        print(operators.act(asked))
        known = operators.read(operators.list_file(asked.env))
    operators.share(asked.env, known)
    if ESCROW not in operators.openers(shared_place(asked.env) / OPERATORS_SHARE, known):
        raise OperatorError(
            "the escrow key is none that age knows",
            next_step=f"make operator-remove{suffix} NAME=escrow, then a key of ssh-ed25519",
        )
    with tempfile.TemporaryDirectory(prefix="ctlv-escrow-") as folder:
        sealed = operators.encrypted(bundle(asked.env, Path(folder)), [known[ESCROW]])
    at = datetime.now(UTC)
    file = state_folder(asked.env) / f"escrow-{asked.env}-{at:%Y%m%dT%H%M%SZ}.tar.gz.age"
    files.write_atomically(file, sealed)
    return (
        f"{file}, {len(sealed) / 1e6:.1f} MB, sha256 {hashlib.sha256(sealed).hexdigest()}\n"
        "  Next: copy it to where backups are kept elsewhere; how it is used: docs/operations.md, "
        '"Escrow"'
    )


def main() -> None:
    parser = Parser(
        prog="python -m rollout.escrow", description="All that a bare machine needs, encrypted."
    )
    parser.add_environment(default="lab")
    parser.add("--key", make="KEY", default="", help="the public half of the key in the safe")
    asked = parser.parse()
    with failing_as(f"escrow {asked.env}"):
        print(f"escrow {asked.env}: {act(asked)}")


if __name__ == "__main__":
    main()
