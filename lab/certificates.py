"""The lab's own certificate authority and the API's certificate."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.settings import write_atomically

VALID_DAYS = 3650
CA_FILE = "ca.pem"


def ensure(folder: Path, *, lab: str, node: str) -> tuple[Path, Path]:
    """Return (certificate, key) of the API, made with a new authority when missing."""
    certificate, key = folder / "api.pem", folder / "api.key"
    if not (certificate.exists() and key.exists() and (folder / CA_FILE).exists()):
        _make(folder, certificate, key, lab=lab, node=node)
    return certificate, key


def _make(folder: Path, certificate: Path, key: Path, *, lab: str, node: str) -> None:
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name = _name(f"{lab} certificate authority")
    authority = _builder(authority_name, authority_name, authority_key)
    authority = authority.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
    authority = authority.add_extension(_usage(signs_certificates=True), True)
    signed = authority.sign(authority_key, hashes.SHA256())

    names = [
        x509.DNSName("localhost"),
        x509.DNSName(node),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    server = _builder(_name(node), authority_name, server_key)
    server = server.add_extension(x509.SubjectAlternativeName(names), False)
    server = server.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
    server = server.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    server = server.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), False
    )
    leaf = server.sign(authority_key, hashes.SHA256())
    # The authority's key is forgotten: nothing else is ever signed with it.
    write_atomically(folder / CA_FILE, _pem(signed), mode=0o644)
    write_atomically(certificate, _pem(leaf), mode=0o644)
    write_atomically(key, _key_pem(server_key))


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
