"""What the pages of the agenda share beside their times."""

from __future__ import annotations

from functools import cache

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from agenda.grouping import Group
from agenda.rows import rows_of

register = template.Library()


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """One of icons.svg, whose outlines stand on every page once."""
    return format_html('<svg class="icon" aria-hidden="true"><use href="#icon-{}"/></svg>', name)


@register.simple_tag(takes_context=True)
def rows(context: template.Context, group: Group) -> SafeString:
    is_dated = group.name in {"week", "later"}
    return rows_of(group.tasks, at=context["at"], is_dated=is_dated, speaks=bool(context["speaks"]))
