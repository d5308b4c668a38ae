"""Times as pages write them, in the page's language and the user's time zone; templates have them
as filters. `at` is the page's own instant, so that one page never shows two nows.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
HOURS_ARE_ENOUGH_FROM_S = 10 * HOUR_S
DAYS_FROM_S = 2 * DAY_S
UNITS = (
    (DAY_S, ngettext_lazy("%(n)d day", "%(n)d days", "n")),
    (HOUR_S, ngettext_lazy("%(n)d hour", "%(n)d hours", "n")),
    (MINUTE_S, ngettext_lazy("%(n)d minute", "%(n)d minutes", "n")),
    (1, ngettext_lazy("%(n)d second", "%(n)d seconds", "n")),
)


def left_at(deadline_at: datetime, at: datetime) -> str:
    """What is left until a deadline, as precise as is useful. agenda.js says the same."""
    seconds = int((deadline_at - at).total_seconds())
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


def day_and_time_at(deadline_at: datetime, at: datetime) -> str:
    """Such as "Monday 30 November at 18:00, in 27 hours"."""
    seconds = int((deadline_at - at).total_seconds())
    is_in_hours = HOURS_ARE_ENOUGH_FROM_S <= seconds < DAYS_FROM_S
    hours = _("in %(hours)d hours") % {"hours": seconds // HOUR_S}
    values = {
        "day": day_at(deadline_at, at),
        "time": f"{timezone.localtime(deadline_at):%H:%M}",
        "left": hours if is_in_hours else left_at(deadline_at, at),
    }
    return _("%(day)s at %(time)s, %(left)s") % values


def in_words(length: timedelta) -> str:
    """Such as "3 days" or "90 minutes": the largest unit that says it exactly."""
    seconds = int(length.total_seconds())
    unit_s, text = next(unit for unit in UNITS if seconds % unit[0] == 0)
    return text % {"n": seconds // unit_s}


def day_at(instant: datetime, at: datetime) -> str:
    """Such as "Tuesday 24 November"; the year only when it is another one."""
    return _dated(instant, at, "l j F")


def short_day_at(instant: datetime, at: datetime) -> str:
    """Such as "Tue 24 Nov"; the year only when it is another one."""
    return _dated(instant, at, "D j N")


def _dated(instant: datetime, at: datetime, pattern: str) -> str:
    local = timezone.localtime(instant)
    return date_format(
        local, pattern if local.year == timezone.localtime(at).year else f"{pattern} Y"
    )


def clock(instant: datetime) -> str:
    local = timezone.localtime(instant)
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


def iso(instant: datetime) -> str:
    return timezone.localtime(instant).isoformat(timespec="seconds")
