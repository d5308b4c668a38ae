"""What a page of many tasks says again for each of them: found once a process, not once a task."""

from __future__ import annotations

from functools import cache
from uuid import UUID

from django import template
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

register = template.Library()
ANY = UUID(int=0)


@register.simple_tag
def task_url(name: str, task_id: UUID) -> str:
    """As `url`, for an address that holds a task's id and nothing else that changes."""
    return _address(name).replace(str(ANY), str(task_id))


@cache
def _address(name: str) -> str:
    return reverse(name, args=[ANY])


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    return render_to_string(f"icons/{name}.svg")
