"""What the search for leaks takes for a secret, on keys made here."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.infra import secret_values

# Whether both show the public half in the same letters hangs on the length of what is before it.
KEYS = 24


def make_key(folder: Path) -> tuple[Path, Path]:
    folder.mkdir()
    key, certificate = folder / "api.key", folder / "api.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    options = [
        "-nodes",
        "-subj",
        f"/CN=lab{folder.name}",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run([*command, *options], check=True, capture_output=True, timeout=20)
    return key, certificate


def test_a_certificate_is_no_leak_of_its_key_and_a_copy_of_the_key_is(tmp_path):
    for number in range(KEYS):
        key, certificate = make_key(tmp_path / ("x" * (number + 1)))
        secrets = {"api.key": secret_values._private_runs(key)}
        assert list(secret_values.named_in(certificate.read_bytes(), secrets)) == []
        if secrets["api.key"]:
            assert list(secret_values.named_in(key.read_bytes(), secrets)) == ["api.key"]
