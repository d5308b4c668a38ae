"""Servers that are not quite Proxmox: certificates as its nodes make them, and any bytes."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
Serve = Callable[[socket.socket], None]


def pve_certificates(
    folder: Path, *, address: str = "127.0.0.1", until: datetime.timedelta = 700 * DAY
) -> tuple[Path, Path, Path]:
    """CA, certificate and key as PVE::Cluster::Setup made them until March 2026 (proxmox#6701).

    The CA names no key usage, the node's certificate no authority key identifier.
    """
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name, name = named("Proxmox Virtual Environment"), named("srv-px1")
    now = datetime.datetime.now(datetime.UTC)

    def begun(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 800 * DAY)
        )

    ca = (
        begun(ca_name, ca_key.public_key())
        .not_valid_after(now + 3650 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), False)
        .sign(ca_key, hashes.SHA256())
    )
    names = [x509.DNSName("srv-px1"), x509.IPAddress(ipaddress.ip_address(address))]
    leaf = (
        begun(name, key.public_key())
        .not_valid_after(now + until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .add_extension(x509.SubjectAlternativeName(names), False)
        .sign(ca_key, hashes.SHA256())
    )
    files = folder / "pve-root-ca.pem", folder / "pve-ssl.pem", folder / "pve-ssl.key"
    plain = serialization.NoEncryption()
    contents = (
        ca.public_bytes(serialization.Encoding.PEM),
        leaf.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain),
    )
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    return files


def named(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


@contextmanager
def listening(
    serve: Serve, certificate: Path | None = None, key: Path | None = None
) -> Iterator[int]:
    """Give each connection to `serve`, within TLS when there is a certificate; yield the port."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def one(connection: socket.socket) -> None:
        try:
            with connection:
                inside = (
                    context.wrap_socket(connection, server_side=True) if context else connection
                )
                with inside:
                    serve(inside)
        except OSError:
            # The client has hung up: that is what is tested.
            return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def answering(body: bytes, *, status: str = "200 OK", kind: str = "application/json") -> Serve:
    """Give the same answer to every request of a connection."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"

    def serve(connection: socket.socket) -> None:
        while connection.recv(65536):
            connection.sendall(head.encode() + body)

    return serve
