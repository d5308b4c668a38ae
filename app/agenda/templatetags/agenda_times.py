"""agenda/times.py, as filters."""

from __future__ import annotations

from django import template

from agenda import times

register = template.Library()
for shown in (
    times.left_at,
    times.in_words,
    times.day_at,
    times.short_day_at,
    times.repeat_words,
    times.chip_at,
):
    register.filter(shown.__name__, shown)
register.filter("clock", times.clock)
register.filter("iso", times.iso)
