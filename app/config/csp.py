"""Content-Security-Policy, with the names that Django 6 gives it: deleted on the upgrade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

NONE = "'none'"
SELF = "'self'"


def build_policy(directives: Mapping[str, Sequence[str]]) -> str:
    """The header's value for SECURE_CSP."""
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())
