"""Every secret of an environment, as the operator's machine knows it, for the search for leaks."""

from __future__ import annotations

import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from tests.infra.site import state_folder

# A secret is found by its longest run of these; where it is cut into lines, by that of each line.
RUN = re.compile(rb"[A-Za-z0-9_-]{24,}")
WINDOW = 24
# Files of the state folder that hold a secret in clear, and nobody else may read.
KEPT_IN = (
    "token",
    "root-token",
    "own.token",
    "id_ed25519",
    "backup-key",
    "tls/*.key",
    "api.key",
    "lab.json",
)
# These hold some of them besides: what opens the vault, and the tokens that the lab's API knows.
HOMES = (*KEPT_IN, "vault-password", "api.json")


def runs(environment: str, environ: Mapping[str, str]) -> dict[str, list[bytes]]:
    """Name of a secret -> what to search for. Nothing of it is ever printed: only names are."""
    from rollout import secrets  # noqa: PLC0415 - slow to load, wanted here only

    with mock.patch.dict(os.environ, environ):
        vault = secrets.opened(environment)
    found = {name: RUN.findall(value.encode()) for name, value in vault.values.items()}
    found["vault-password"] = RUN.findall(vault.password)
    state = state_folder(environment)
    for path in (path for pattern in KEPT_IN for path in state.glob(pattern)):
        if path.name == "lab.json":
            secret = json.loads(path.read_text("utf-8"))["token_secret"]
            found["token_secret"] = [secret.encode()]
        else:
            found[path.name] = _private_runs(path)
    return {name: values for name, values in found.items() if values}


def _private_runs(path: Path) -> list[bytes]:
    """Not comments, and not the lines that every key of its kind has."""
    lines = path.read_bytes().splitlines()
    private = [line for line in lines if not line.startswith((b"#", b"-----"))]
    # The first line of a key's body names its kind, and its public half.
    runs = RUN.findall(b"\n".join(private[1:] if len(private) > 1 else private))
    certified = _certificates_beside(path)
    return [run for run in runs if run not in certified]


def _certificates_beside(path: Path) -> bytes:
    """An elliptic key's file ends with its public half, which its certificate may show alike."""
    beside = [file.read_bytes() for file in path.parent.glob("*.pem")]
    return b"".join(data for data in beside if b"PRIVATE KEY" not in data)


def blinded(secrets: Mapping[str, list[bytes]]) -> dict[str, Any]:
    """What a host needs to find them without being told what they are."""
    return {
        "window": WINDOW,
        "pattern": RUN.pattern.decode(),
        "secrets": [
            {
                "name": name,
                "crc": zlib.crc32(run[:WINDOW]),
                "length": len(run),
                "sha256": hashlib.sha256(run).hexdigest(),
            }
            for name, found in secrets.items()
            for run in found
        ],
    }


def named_in(data: bytes, secrets: Mapping[str, list[bytes]]) -> Iterator[str]:
    """Names of the secrets that stand in `data`."""
    return (name for name, found in secrets.items() if any(run in data for run in found))
