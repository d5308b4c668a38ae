"""How identities are read in addresses: in capitals too, as RFC 9562 wants it."""

from __future__ import annotations

from django.urls.converters import UUIDConverter

NAME = "identity"


class IdentityConverter(UUIDConverter):
    """Some languages write every UUID in capitals; it is the same one."""

    regex = "[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
