"""A small certificate authority of our own, and certificates for the containers.

    python -m rollout.certificates --state DIR --authority NAME        make it when there is none
    python -m rollout.certificates --state DIR --host NAME ADDRESS...  one for a container
    python -m rollout.certificates --state DIR --known FILE            is it the inventory's?
    python -m rollout.certificates --judge FILE --key FILE NAME...     may one from elsewhere serve?

Both keys stay in the state folder, 0600; role certificate brings a container its own. A certificate
is made anew when its names change, when another authority signed it, or 60 days before its end.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from provision import files
from provision.errors import OperatorError

AUTHORITY_DAYS = 3650
# What browsers accept at most of a certificate.
HOST_DAYS = 397
RENEW_BEFORE = timedelta(days=60)
# As `openssl x509 -fingerprint -sha256` and browsers show it.
FINGERPRINT = re.compile(r"([0-9A-F]{2}:){31}[0-9A-F]{2}")


def folder(state: Path) -> Path:
    return state / "tls"


def authority(state: Path, *, name: str, at: datetime) -> bool:
    """Make the authority when there is none; True when it was made."""
    place = folder(state)
    if (place / "ca.pem").exists():
        return False
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    built = _builder(subject, subject, key.public_key(), at=at, days=AUTHORITY_DAYS)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
    built = built.add_extension(_usage(signs=True), True)
    # The key first: a certificate without its key could never be used, nor would it be made anew.
    files.write_atomically(place / "ca.key", _key_pem(key), mode=files.PRIVATE)
    files.write_atomically(
        place / "ca.pem", _pem(built.sign(key, hashes.SHA256())), mode=files.PUBLIC
    )
    return True


def need_authority(state: Path, *, known_in: Path, may_make: bool, may_replace: bool) -> None:
    """Raises OperatorError unless this machine has the authority, or is the one to make it.

    `known_in`: the inventory's file with its fingerprint. `may_make`: nobody has one yet.
    """
    place, known = folder(state), recorded(known_in)
    if not (place / "ca.pem").exists():
        if may_replace or (may_make and not known):
            return
        raise OperatorError(
            f"this machine lacks the certificate authority {known or 'of this environment'}: "
            f"{place / 'ca.pem'} and {place / 'ca.key'}",
            "get both from the operator who ran `make secrets`, mode 0600; only if they "
            "are lost, `make secrets AUTHORITY=new` makes another, for every host and browser",
        )
    if not may_replace:
        match(state, known_in=known_in)
    if not (place / "ca.key").exists():
        raise OperatorError(
            f"the certificate authority's key {place / 'ca.key'} is missing",
            "get that file from the operator who ran `make secrets`, mode 0600",
        )
    if _key_of(_authority(place / "ca.pem"), place / "ca.key") is None:
        raise _not_its_key(place)


def match(state: Path, *, known_in: Path) -> None:
    """Raises OperatorError when the inventory knows another authority than this machine has."""
    known, here = recorded(known_in), fingerprint(state)
    if known and known != here:
        raise OperatorError(
            f"{folder(state) / 'ca.pem'} is the authority {here}, {known_in} names {known}",
            "put ca.pem and ca.key of the operator who ran `make secrets` in its place; "
            "only if they are lost, `make secrets AUTHORITY=new` names the one that is here",
        )


def fingerprint(state: Path) -> str:
    return _authority(folder(state) / "ca.pem").fingerprint(hashes.SHA256()).hex(":").upper()


def recorded(file: Path) -> str:
    """The fingerprint that the inventory knows; "" when it knows none yet."""
    if not file.exists():
        return ""
    text = file.read_text("utf-8", errors="replace").strip()
    if not FINGERPRINT.fullmatch(text):
        raise OperatorError(
            f"{file} holds no SHA-256 fingerprint: '{text[:60]}'",
            "bring back what was committed there",
        )
    return text


def record(state: Path, *, file: Path) -> bool:
    """Write the authority's fingerprint where the inventory has it; True when it was another."""
    text = f"{fingerprint(state)}\n"
    if file.exists() and file.read_text("utf-8", errors="replace") == text:
        return False
    files.write_atomically(file, text.encode(), mode=files.PUBLIC)
    return True


def host(
    state: Path, *, name: str, addresses: list[str], at: datetime, known_in: Path | None = None
) -> bool:
    """Make the certificate of a container when it is needed; True when it was made."""
    place = folder(state)
    if not (place / "ca.pem").exists():
        raise OperatorError(f"there is no certificate authority in {place}", "run `make secrets`")
    if known_in:
        match(state, known_in=known_in)
    signer, now = _authority(place / "ca.pem"), _read(place / f"{name}.pem")
    if (
        now is not None
        and _key_of(now, place / f"{name}.key") is not None
        and _names(now) == _wanted(name, addresses)
        and now.not_valid_after_utc - at > RENEW_BEFORE
        and _is_signed_by(now, signer)
    ):
        return False
    if not (place / "ca.key").exists():
        raise OperatorError(
            f"{name} needs a certificate, and the authority's key {place / 'ca.key'} is missing",
            "get that file from the operator who ran `make secrets`, mode 0600",
        )
    signing_key = _key_of(signer, place / "ca.key")
    if signing_key is None:
        raise _not_its_key(place)
    key = ec.generate_private_key(ec.SECP256R1())
    built = _builder(_name(name), signer.subject, key.public_key(), at=at, days=HOST_DAYS)
    built = built.add_extension(
        x509.SubjectAlternativeName(
            [x509.DNSName(name), *(x509.IPAddress(_address(a)) for a in addresses)]
        ),
        False,
    )
    built = built.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
    built = built.add_extension(_usage(signs=False), True)
    built = built.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    built = built.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), False
    )
    files.write_atomically(place / f"{name}.key", _key_pem(key), mode=files.PRIVATE)
    files.write_atomically(
        place / f"{name}.pem", _pem(built.sign(signing_key, hashes.SHA256())), mode=files.PUBLIC
    )
    return True


def judge(file: Path, key_file: Path, *, names: list[str], at: datetime) -> None:
    """Raises OperatorError unless file and key belong together and serve one of `names` now.

    The names by which a host reaches only itself do not count: nobody else comes by them.
    """
    leaf, key = _certificates(file)[0], _secret_key(key_file)
    if _public(leaf.public_key()) != _public(key.public_key()):
        raise OperatorError(
            f"the key {key_file} does not belong to the certificate {file}, "
            f"which is for {', '.join(sorted(_names(leaf)))}",
            "name a pair in certificate_site_file and certificate_site_key_file; in the "
            "first the server's certificate comes first, its chain after it",
        )
    if not leaf.not_valid_before_utc <= at <= leaf.not_valid_after_utc:
        ended = leaf.not_valid_after_utc < at
        day = leaf.not_valid_after_utc if ended else leaf.not_valid_before_utc
        raise OperatorError(
            f"the certificate {file} {'ended on' if ended else 'begins only on'} {day:%Y-%m-%d}",
            "get another one, or compare this machine's clock; "
            "agenda_tls: internal needs nobody else's",
        )
    names = [name for name in names if not _is_loopback(name)]
    if not any(_covers(known, name) for known in _names(leaf) for name in names):
        raise OperatorError(
            f"the certificate {file} is for {', '.join(sorted(_names(leaf))) or 'nothing'}, "
            f"and this host answers to {', '.join(names)}",
            "add its name to agenda_hosts (group_vars/web/agenda.yml), or get one for a name there",
        )


def names_of(file: Path) -> list[str]:
    """What the certificate in `file` is for, but addresses and names that stand for many."""
    try:
        extensions = _certificates(file)[0].extensions
        found = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [n for n in found.get_values_for_type(x509.DNSName) if not n.startswith("*")]


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"


def _covers(known: str, name: str) -> bool:
    head, _, rest = name.lower().partition(".")
    return known.lower() == name.lower() or bool(head and rest and known.lower() == f"*.{rest}")


def _certificates(file: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        raise OperatorError(
            f"the certificate {file} cannot be read: {error.strerror}",
            "set certificate_site_file to a file of this machine (group_vars/all/tls.yml)",
        ) from error
    except ValueError as error:
        raise OperatorError(
            f"the certificate {file} is not PEM (-----BEGIN CERTIFICATE-----)",
            f"openssl x509 -inform der -in {file} -out {file.with_suffix('.pem')}",
        ) from error


def _secret_key(file: Path) -> Any:
    """Never says what is in it."""
    try:
        if file.stat().st_mode & 0o077:
            raise OperatorError(
                f"the key {file} can be read by others: its mode is "
                f"{file.stat().st_mode & 0o777:04o}",
                f"chmod 600 {file}",
            )
        return serialization.load_pem_private_key(file.read_bytes(), None)
    except OSError as error:
        raise OperatorError(
            f"the key {file} cannot be read: {error.strerror}",
            "set certificate_site_key_file to a file of this machine, in group_vars/all/tls.yml",
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise OperatorError(
            f"the key {file} is no PEM key without a password",
            f"openssl pkey -in {file} -out a file of mode 0600, and name that one",
        ) from error


def _public(key: Any) -> bytes:
    return bytes(
        key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def _wanted(name: str, addresses: list[str]) -> set[str]:
    return {name, *addresses}


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    ips = (str(address) for address in found.get_values_for_type(x509.IPAddress))
    return {*found.get_values_for_type(x509.DNSName), *ips}


def _is_signed_by(certificate: x509.Certificate, signer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(signer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _read(path: Path) -> x509.Certificate | None:
    """None also for what is no certificate: a host's is made anew."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()) if path.exists() else None
    except ValueError:
        return None


def _authority(path: Path) -> x509.Certificate:
    found = _read(path)
    if found is None:
        raise OperatorError(
            f"{path} is no certificate",
            f"bring back the one `make secrets` made; without "
            f"it, remove {path.parent} and run `make secrets AUTHORITY=new`: "
            "browsers then want the new one",
        )
    return found


def _key_of(certificate: x509.Certificate, path: Path) -> ec.EllipticCurvePrivateKey | None:
    """None when it is not there, no key of ours, or another one's."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (FileNotFoundError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    return key if _public(key.public_key()) == _public(certificate.public_key()) else None


def _not_its_key(place: Path) -> OperatorError:
    return OperatorError(
        f"{place / 'ca.key'} is not the key of {place / 'ca.pem'}",
        "bring back the one `make secrets` made",
    )


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError as error:
        raise OperatorError(
            f"'{text}' is no address to make a certificate for",
            "correct certificate_addresses in the inventory",
        ) from error


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    *,
    at: datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(hours=1))
        .not_valid_after(at + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="certificates", description="Certificates of our own.")
    parser.add_argument("--state", type=Path, default=Path())
    parser.add_argument("--judge", type=Path)
    parser.add_argument("--key", type=Path, default=Path())
    parser.add_argument("--authority", default="")
    parser.add_argument("--host", default="")
    parser.add_argument("--known", type=Path)
    parser.add_argument("addresses", nargs="*")
    asked = parser.parse_args()
    at = datetime.now(UTC)
    try:
        made = False
        if asked.judge:
            judge(asked.judge, asked.key, names=asked.addresses, at=at)
        elif asked.authority:
            made = authority(asked.state, name=asked.authority, at=at)
        elif asked.host:
            made = host(
                asked.state,
                name=asked.host,
                addresses=asked.addresses,
                at=at,
                known_in=asked.known,
            )
        elif asked.known:
            match(asked.state, known_in=asked.known)
    except OperatorError as error:
        print(f"certificates: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        where = f"  Next: see who may read and write below {asked.state}"
        print(f"certificates: {error.filename}: {error.strerror}\n{where}", file=sys.stderr)
        return 1
    print(json.dumps({"made": made}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
