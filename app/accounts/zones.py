"""The choice of a time zone: some five hundred options."""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.utils.translation import gettext, gettext_noop

AREAS = {
    "Africa": gettext_noop("Africa"),
    "America": gettext_noop("America"),
    "Antarctica": gettext_noop("Antarctica"),
    "Arctic": gettext_noop("Arctic Ocean"),
    "Asia": gettext_noop("Asia"),
    "Atlantic": gettext_noop("Atlantic Ocean"),
    "Australia": gettext_noop("Australia"),
    "Europe": gettext_noop("Europe"),
    "Indian": gettext_noop("Indian Ocean"),
    "Pacific": gettext_noop("Pacific Ocean"),
}


@cache
def zone_names() -> tuple[str, ...]:
    """Those named by a place, which follow its clocks; asked of the machine's files once."""
    return tuple(sorted(name for name in available_timezones() if name.split("/")[0] in AREAS))


def zone_choices(kept: str) -> list[tuple[str, Any]]:
    """By area: first the site's own, then what was `kept` and the machine no longer knows."""
    known = zone_names()
    areas = groupby(known, key=lambda name: name.split("/")[0])
    return [
        ("", settings.TIME_ZONE),
        *((name, name) for name in {kept} - {"", *known}),
        *(
            (gettext(AREAS[area]), [(name, name.replace("_", " ")) for name in names])
            for area, names in areas
        ),
    ]


class ZoneSelect(forms.Select):
    """Its template writes the options itself: Django's renders one for each, 60 ms a page."""

    template_name = "accounts/zones.html"
