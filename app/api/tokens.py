"""What a token looks like, and what is kept of it. Pure.

`ctlv_`, forty random letters and digits, and six that are a checksum of those: a secret scanner
finds it by /ctlv_[0-9A-Za-z]{46}/, and tells a token from a lookalike without asking us. The
database keeps a keyed hash only; the key lies outside it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
import zlib

PREFIX = "ctlv_"
RANDOM_LENGTH = 40
CHECK_LENGTH = 6
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
# What a person is shown to tell one token from another.
HINT_LENGTH = 4


def new_token() -> str:
    random = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return f"{PREFIX}{random}{_check(random)}"


def is_token(text: str) -> bool:
    """Whether `text` could be a token of ours: no need to ask the database otherwise."""
    random = text.removeprefix(PREFIX)[:RANDOM_LENGTH]
    return hmac.compare_digest(text.encode(), f"{PREFIX}{random}{_check(random)}".encode())


def digest(token: str, *, key: bytes) -> str:
    return hmac.new(key, token.encode(), hashlib.sha256).hexdigest()


def hint(token: str) -> str:
    return token[-HINT_LENGTH:]


def _check(random: str) -> str:
    number, letters = zlib.crc32(random.encode()), ""
    for _ in range(CHECK_LENGTH):
        number, rest = divmod(number, len(ALPHABET))
        letters = ALPHABET[rest] + letters
    return letters
