"""Times as pages write them, in the page's language and the user's time zone; templates have them
as filters. `at` is the page's own instant, so that one page never shows two nows.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache

from django.utils import timezone
from django.utils.dates import WEEKDAYS
from django.utils.formats import date_format
from django.utils.translation import get_language, ngettext, ngettext_lazy
from django.utils.translation import gettext as _

from agenda.models import Repeat

EBB_MAX = 13
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
HOURS_ARE_ENOUGH_FROM_S = 10 * HOUR_S
DAYS_FROM_S = 2 * DAY_S
DAYS_KEPT = 4000
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


def ebb_at(deadline_at: datetime, at: datetime) -> int:
    """How long the line below a task is, from 0 in its last minute to 13 from six days on: each
    step is half of the time of the one before. agenda.js says the same.
    """
    minutes = int((deadline_at - at).total_seconds()) // MINUTE_S
    return min(EBB_MAX, (minutes + 1).bit_length() - 1)


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


def chip_at(deadline_at: datetime, at: datetime) -> str:
    """Such as "tomorrow, Mon 30 Nov · 18:00 · in 27 h"."""
    days = (timezone.localtime(deadline_at).date() - timezone.localtime(at).date()).days
    near = {0: _("today"), 1: _("tomorrow")}.get(days)
    day = short_day_at(deadline_at, at)
    return " · ".join(
        [f"{near}, {day}" if near else day, clock(deadline_at), left_at(deadline_at, at)]
    )


def pick_at(deadline_at: datetime, at: datetime) -> str:
    """Such as "today 18:00", "tomorrow 9:00", "Mon 7 Dec 09:00"."""
    days = (_day(deadline_at) - _day(at)).days
    day = {0: _("today"), 1: _("tomorrow")}.get(days) or short_day_at(deadline_at, at)
    return f"{day} {clock(deadline_at)}"


def in_words(length: timedelta) -> str:
    """Such as "3 days" or "90 minutes": the largest unit that says it exactly."""
    seconds = int(length.total_seconds())
    unit_s, text = next(unit for unit in UNITS if seconds % unit[0] == 0)
    return text % {"n": seconds // unit_s}


def day_at(instant: datetime, at: datetime) -> str:
    """Such as "Tuesday 24 November"; the year only when it is another one."""
    return _dated(_day(instant), _day(at), "l j F", get_language())


def short_day_at(instant: datetime, at: datetime) -> str:
    """Such as "Tue 24 Nov"; the year only when it is another one."""
    return short_day(_day(instant), _day(at))


def short_day(day: date, today: date) -> str:
    language = get_language() or ""
    # "Dec." is what an American news agency writes, "déc." what everybody in France does.
    return _dated(day, today, "D j M" if language.startswith("en") else "D j N", language)


def _day(instant: datetime) -> date:
    return timezone.localtime(instant).date()


@lru_cache(maxsize=DAYS_KEPT)
def _dated(day: date, today: date, pattern: str, _language: str | None) -> str:
    """Kept: it takes longer than all else that a row of a page says."""
    return date_format(day, pattern if day.year == today.year else f"{pattern} Y")


def repeat_words(repeat: str) -> str:
    """How often, of a name or of a rule."""
    return str(Repeat(repeat).label) if repeat in Repeat.values else rule_words(repeat)


def rule_words(rule: str) -> str:
    """Such as "every 2 weeks: Monday, Thursday, until 31 December 2026"."""
    parts = dict(part.split("=") for part in rule.split(";"))
    every = int(parts.get("INTERVAL", "1"))
    one, many = {
        "DAILY": (_("every day"), _("every %(n)d days")),
        "WEEKLY": (_("every week"), _("every %(n)d weeks")),
        "MONTHLY": (_("every month"), _("every %(n)d months")),
        "YEARLY": (_("every year"), _("every %(n)d years")),
    }[parts["FREQ"]]
    words = one if every == 1 else many % {"n": every}
    days = [_weekday(code) for code in parts.get("BYDAY", "").split(",") if code]
    if days:
        words = _("%(often)s: %(days)s") % {"often": words, "days": ", ".join(days)}
    if "UNTIL" in parts:
        last = date_format(date.fromisoformat(parts["UNTIL"]), "j F Y")
        words = _("%(often)s, until %(day)s") % {"often": words, "day": last}
    return words


def _weekday(code: str) -> str:
    """ "MO" is Monday, "-1FR" the last Friday."""
    nth = {
        "": "%(day)s",
        "1": _("the first %(day)s"),
        "2": _("the second %(day)s"),
        "3": _("the third %(day)s"),
        "4": _("the fourth %(day)s"),
        "-1": _("the last %(day)s"),
    }[code[:-2]]
    return nth % {"day": WEEKDAYS[("MO", "TU", "WE", "TH", "FR", "SA", "SU").index(code[-2:])]}


def clock(instant: datetime) -> str:
    return wall_clock(timezone.localtime(instant))


def wall_clock(local: datetime) -> str:
    return local.time().isoformat("seconds" if local.second else "minutes")


def iso(instant: datetime) -> str:
    return timezone.localtime(instant).isoformat(timespec="seconds")
