"""What the pages of the agenda share beside their times."""

from __future__ import annotations

from functools import cache

from django import template
from django.template.base import NodeList, Parser, Token
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from agenda.grouping import Group
from agenda.rows import rows_of

register = template.Library()


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """One of icons.svg, whose outlines stand on every page once."""
    return format_html('<svg class="icon" aria-hidden="true"><use href="#icon-{}"/></svg>', name)


@register.tag
def same_for_all(parser: Parser, token: Token) -> SameForAll:
    """What stands until `endsame_for_all` is rendered once a language, not once a page; once for
    each value of the variables that are named.
    """
    nodes = parser.parse(("endsame_for_all",))
    parser.delete_first_token()
    return SameForAll(nodes, token.split_contents()[1:])


class SameForAll(template.Node):
    def __init__(self, nodelist: NodeList, names: list[str]) -> None:
        self.nodelist, self.names = nodelist, names
        self.kept: dict[tuple[str | None, ...], SafeString] = {}

    def render(self, context: template.Context) -> SafeString:
        named = {name: context.get(name) for name in self.names}
        key = (get_language(), *named.values())
        if key not in self.kept:
            # Without the rest of this page: it can say nothing of one person to another.
            self.kept[key] = self.nodelist.render(context.new(named))
        return self.kept[key]


@register.simple_tag(takes_context=True)
def rows(context: template.Context, group: Group) -> SafeString:
    is_dated = group.name in {"week", "far"}
    return rows_of(group.tasks, at=context["at"], is_dated=is_dated, speaks=bool(context["speaks"]))
