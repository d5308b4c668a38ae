"""Certificates for tests: as role tls makes them, or wrong in one thing."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PEM = serialization.Encoding.PEM
Validity = tuple[float, float]


def authority(folder: Path) -> None:
    """ca.pem and ca.key in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    built = _begun("Agenda test", _name("Agenda test"), key, (0, 3650))
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
    _write(folder / "ca", built.add_extension(_usage(signs=True), True), key, key)


def certify(  # noqa: PLR0913 - each is one thing that may be wrong
    folder: Path,
    name: str,
    addresses: Sequence[str] = (),
    *,
    days: Validity = (0, 397),
    domain: str = "",
    password: bytes | None = None,
) -> Path:
    """NAME.pem and NAME.key, signed by the authority in `folder`, whose key `password` opens, valid
    from and to so many days from now; the certificate.
    """
    signer = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    signing = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password)
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    names = [
        x509.DNSName(name + domain),
        *(x509.IPAddress(ipaddress.ip_address(a)) for a in addresses),
    ]
    built = _begun(name, signer.subject, key, days)
    built = built.add_extension(x509.SubjectAlternativeName(names), False)
    built = built.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
    built = built.add_extension(_usage(signs=False), True)
    built = built.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
    return _write(folder / name, built.add_extension(issuer, False), key, signing)


def fingerprint(certificate: Path) -> str:
    made = x509.load_pem_x509_certificate(certificate.read_bytes())
    return made.fingerprint(hashes.SHA256()).hex(":").upper()


def _begun(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: Validity
) -> x509.CertificateBuilder:
    begins, ends = (datetime.now(UTC) + timedelta(days=day) for day in days)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins - timedelta(hours=1))
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
              "encipher_only", "decipher_only")  # fmt: skip
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        **dict.fromkeys(others, False),
    )


def _write(
    path: Path,
    built: x509.CertificateBuilder,
    key: ec.EllipticCurvePrivateKey,
    signing: ec.EllipticCurvePrivateKey,
) -> Path:
    plain = serialization.NoEncryption()
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain)
    path.with_name(f"{path.name}.key").write_bytes(private)
    path.with_name(f"{path.name}.key").chmod(0o600)
    certificate = path.with_name(f"{path.name}.pem")
    certificate.write_bytes(built.sign(signing, hashes.SHA256()).public_bytes(PEM))
    return certificate


def authority_where_none_is(state: Path, **_told: str) -> None:
    """In the place of rollout.secrets.make_authority: Ansible takes seconds to make one."""
    if not (state / "tls/ca.pem").exists():
        authority(state / "tls")
