"""Times in templates. `at` is the page's own instant, so that one page never shows two nows."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import template
from django.utils import timezone

from agenda import wording

register = template.Library()


@register.filter
def left_at(deadline_at: datetime, at: datetime) -> str:
    return wording.remaining(deadline_at - at)


@register.filter
def in_words(duration: timedelta) -> str:
    return wording.duration(duration)


@register.filter
def day_at(instant: datetime, at: datetime) -> str:
    return wording.day(timezone.localtime(instant), today=timezone.localtime(at))


@register.filter
def short_day_at(instant: datetime, at: datetime) -> str:
    return wording.short_day(timezone.localtime(instant), today=timezone.localtime(at))


@register.filter
def clock(instant: datetime) -> str:
    local = timezone.localtime(instant)
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


@register.filter
def iso(instant: datetime) -> str:
    return timezone.localtime(instant).isoformat(timespec="seconds")


@register.filter
def exact(instant: datetime) -> str:
    """To the microsecond: what a form sends back to say which deadline it has seen."""
    return instant.isoformat()
