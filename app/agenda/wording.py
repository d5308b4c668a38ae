"""Times in words, in the language of the page. Pure but for gettext."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
HOURS_ARE_ENOUGH_FROM_S = 10 * HOUR_S
DAYS_FROM_S = 2 * DAY_S


def remaining(left: timedelta) -> str:
    """What is left until a deadline, as precise as is useful. agenda.js says the same."""
    seconds = int(left.total_seconds())
    if seconds < MINUTE_S:
        return _("in less than a minute")
    if seconds < HOUR_S:
        return _("in %(minutes)d min") % {"minutes": seconds // MINUTE_S}
    if seconds < HOURS_ARE_ENOUGH_FROM_S:
        values = {"hours": seconds // HOUR_S, "minutes": seconds % HOUR_S // MINUTE_S}
        return _("in %(hours)d h %(minutes)02d") % values
    if seconds < DAYS_FROM_S:
        return _("in %(hours)d h") % {"hours": seconds // HOUR_S}
    days = seconds // DAY_S
    return ngettext("in %(days)d day", "in %(days)d days", days) % {"days": days}


def moment(local: datetime, *, now: datetime) -> str:
    """Such as "Monday 30 November at 18:00, in 27 hours"; both are aware, in the user's zone."""
    left = local - now
    hours = int(left.total_seconds()) // HOUR_S
    is_in_hours = HOURS_ARE_ENOUGH_FROM_S <= left.total_seconds() < DAYS_FROM_S
    values = {
        "day": day(local, today=now),
        "time": f"{local:%H:%M}",
        "left": _("in %(hours)d hours") % {"hours": hours} if is_in_hours else remaining(left),
    }
    return _("%(day)s at %(time)s, %(left)s") % values


def duration(length: timedelta) -> str:
    """Such as "3 days" or "90 minutes": the largest unit that says it exactly."""
    seconds = int(length.total_seconds())
    if seconds % DAY_S == 0:
        return ngettext("%(n)d day", "%(n)d days", seconds // DAY_S) % {"n": seconds // DAY_S}
    if seconds % HOUR_S == 0:
        return ngettext("%(n)d hour", "%(n)d hours", seconds // HOUR_S) % {"n": seconds // HOUR_S}
    if seconds % MINUTE_S == 0:
        minutes = seconds // MINUTE_S
        return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
    return ngettext("%(n)d second", "%(n)d seconds", seconds) % {"n": seconds}


def day(local: datetime, *, today: datetime) -> str:
    """Such as "Tuesday 24 November"; the year only when it is another one."""
    pattern = "l j F" if local.year == today.year else "l j F Y"
    return date_format(local, pattern)


def short_day(local: datetime, *, today: datetime) -> str:
    """Such as "Tue 24 Nov"; the year only when it is another one."""
    pattern = "D j N" if local.year == today.year else "D j N Y"
    return date_format(local, pattern)
