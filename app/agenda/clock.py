"""Wall clocks and instants: what people type is a wall clock, what is kept is an instant. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.utils import timezone

# A year below the calendar's last, so that no time zone can push an instant over its end.
LAST_INSTANT = datetime(9998, 12, 31, tzinfo=UTC)
MORNING, AFTERNOON, EVENING = time(9), time(18), time(20)
DAYS_A_WEEK = 7


class SkippedHour(ValueError):
    """The wall clock never shows this time: it is set forward over it that night."""


def instant(wall: datetime, *, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, at which `zone`'s clocks show `wall` (naive).

    An hour that comes twice means its second time: nothing is forgotten too early.
    Raises SkippedHour, and OverflowError at the ends of the calendar.
    """
    found = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) != wall:
        raise SkippedHour(wall)
    return found


def instant_or_later(wall: datetime, *, zone: ZoneInfo) -> datetime:
    """As `instant`; a time that the clocks skip comes as much later as they skip."""
    try:
        return instant(wall, zone=zone)
    except SkippedHour:
        return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def one_day_later(at: datetime, *, zone: ZoneInfo) -> datetime:
    """The same time on `zone`'s clocks a day later; where they skip it, as much later."""
    wall = at.astimezone(zone).replace(tzinfo=None) + timedelta(days=1)
    return instant_or_later(wall, zone=zone)


def later_choices(deadline_at: datetime, *, at: datetime, zone: ZoneInfo) -> dict[str, datetime]:
    """What a deadline may be moved to with one touch, by name and soonest first: an hour more, this
    evening, a day more, the next Monday; only what is later than it is.
    """
    wall = deadline_at.astimezone(zone).replace(tzinfo=None)
    today = at.astimezone(zone).date()
    monday = wall + timedelta(days=DAYS_A_WEEK - wall.weekday())
    choices = {
        "hour": deadline_at + timedelta(hours=1),
        "evening": instant_or_later(datetime.combine(today, EVENING), zone=zone),
        "day": one_day_later(deadline_at, zone=zone),
        "monday": instant_or_later(monday, zone=zone),
    }
    return {
        name: until
        for name, until in sorted(choices.items(), key=lambda choice: choice[1])
        if deadline_at < until <= LAST_INSTANT
    }


def first_choices(*, at: datetime, zone: ZoneInfo) -> list[datetime]:
    """What a new task's deadline may be with one touch, soonest first: this afternoon and evening,
    tomorrow morning and afternoon, the next Monday's morning, in a week.
    """
    today = at.astimezone(zone).date()
    monday = today + timedelta(days=DAYS_A_WEEK - today.weekday())
    walls = {
        *((today, AFTERNOON), (today, EVENING)),
        *((today + timedelta(days=1), MORNING), (today + timedelta(days=1), AFTERNOON)),
        *((monday, MORNING), (today + timedelta(days=DAYS_A_WEEK), AFTERNOON)),
    }
    found = (instant_or_later(datetime.combine(*wall), zone=zone) for wall in sorted(walls))
    return [instant for instant in found if at + timedelta(minutes=30) < instant <= LAST_INSTANT]


def day_start(day: date, *, zone: ZoneInfo) -> datetime:
    """When `day` begins on `zone`'s clocks."""
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def zone_of(name: str) -> ZoneInfo:
    """An account's zone, else the site's; what the machine no longer knows must stop nothing."""
    try:
        return ZoneInfo(name or settings.TIME_ZONE)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(settings.TIME_ZONE)


def zone_here() -> ZoneInfo:
    """The zone of whoever is served."""
    return ZoneInfo(timezone.get_current_timezone_name())


def zone_label(at: datetime, *, zone: ZoneInfo) -> str:
    """Such as "Europe/Paris (UTC+1)"."""
    local = at.astimezone(zone)
    hours = local.strftime("%z")
    sign, hour, minute = hours[0], int(hours[1:3]), int(hours[3:5])
    return f"{zone.key} (UTC{sign}{hour}{f':{minute:02}' if minute else ''})"
