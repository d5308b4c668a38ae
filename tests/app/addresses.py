"""Every address the agenda answers at, read from its URL patterns: what is new is walked too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver

# What a converter may match; a test says what stands for which.
SAMPLES = {
    "UUIDStrConverter": "019a0000-0000-7000-8000-000000000000",  # django-ninja's
    "UUIDConverter": "019a0000-0000-7000-8000-000000000000",
    "IntConverter": "7",
    "StringConverter": "word",
    "SlugConverter": "word",
    "PathConverter": "some/path",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    route: str
    name: str
    converters: dict[str, str]

    def path(self, **given: str) -> str:
        """The address with samples, or what is `given`, for its variable parts."""
        path = self.route
        for part, converter in self.converters.items():
            value = given.get(part, SAMPLES.get(converter, "word"))
            path = re.sub(rf"<(\w+:)?{part}>", lambda _, value=value: value, path)
        return f"/{path}"


def addresses(*, is_admin: bool = False) -> list[Address]:
    """Ours; with `is_admin`, those of Django's administration instead."""
    found = list(_walk(get_resolver().url_patterns, ""))
    return [address for address in found if address.route.startswith("admin/") == is_admin]


def names() -> set[str]:
    """The names of ours below /agenda: what people see."""
    ours = (address for address in addresses() if address.route.startswith("agenda"))
    return {address.name for address in ours if address.name}


def _walk(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[Address]:
    for pattern in patterns:
        route = before + str(pattern.pattern).removeprefix("^").removesuffix("$")
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route)
        else:
            kinds = {
                part: type(converter).__name__
                for part, converter in pattern.pattern.converters.items()
            }
            yield Address(route=route, name=pattern.name or "", converters=kinds)
