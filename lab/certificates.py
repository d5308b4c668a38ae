"""The lab's own certificate authority and the API's certificate."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lab.commands import run
from lab.settings import write_atomically

VALID_DAYS = 3650
CA_FILE = "ca.pem"
EXTENSIONS = """\
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, DNS:{node}, IP:127.0.0.1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def ensure(folder: Path, *, lab: str, node: str) -> tuple[Path, Path]:
    """Return (certificate, key) of the API, made with a new authority when missing."""
    certificate, key = folder / "api.pem", folder / "api.key"
    if not (certificate.exists() and key.exists() and (folder / CA_FILE).exists()):
        with tempfile.TemporaryDirectory(dir=folder, prefix=".certificates-") as name:
            work = Path(name)
            (work / "openssl.cnf").write_text(EXTENSIONS.format(node=node))
            _make(work, "authority", f"/CN={lab} certificate authority")
            _make(work, "server", f"/CN={node}", "-CA", "authority.pem", "-CAkey", "authority.key")
            # The authority's key is forgotten: nothing else is ever signed with it.
            write_atomically(folder / CA_FILE, (work / "authority.pem").read_text(), mode=0o644)
            write_atomically(certificate, (work / "server.pem").read_text(), mode=0o644)
            write_atomically(key, (work / "server.key").read_text())
    return certificate, key


def _make(work: Path, kind: str, subject: str, *issuer: str) -> None:
    """Make KIND.key and KIND.pem, which signs itself unless it has an issuer."""
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]
    files = ["-config", "openssl.cnf", "-keyout", f"{kind}.key", "-out", f"{kind}.pem"]
    says = ["-subj", subject, "-extensions", kind, "-days", str(VALID_DAYS)]
    run(["openssl", "req", "-x509", *new, *files, *says, *issuer], folder=work)
