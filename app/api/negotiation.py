"""Which of our media types a client's Accept asks for (RFC 9110, section 12.5.1). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from django.http.request import MediaType


def preferred(accept: str, offered: Sequence[str]) -> str | None:
    """The one of `offered` that `accept` likes best, the first of equals; None when it takes none.

    Django's own reading sends under "*/*" what was refused by name with q=0, and refuses to whom
    names the charset that all of ours have.
    """
    ranges = [MediaType(token) for token in accept.split(",") if token.strip()]
    best, liked = None, (0.0, 0, 0)
    for name in offered:
        rank = _rank(ranges, MediaType(name))
        if rank[0] and rank > liked:
            best, liked = name, rank
    return best


def _rank(ranges: Sequence[MediaType], offered: MediaType) -> tuple[float, int, int]:
    """The quality that the most specific range gives it, how specific that is, how early it came.

    The most specific decides, however little it likes it.
    """
    found = [
        (_specificity(wanted), float(wanted.quality), -place)
        for place, wanted in enumerate(ranges)
        if _covers(wanted, offered)
    ]
    specificity, quality, place = max(found, default=(0, 0.0, 0))
    return quality, specificity, place


def _specificity(wanted: MediaType) -> int:
    return (wanted.main_type != "*") + (wanted.sub_type != "*")


def _covers(wanted: MediaType, offered: MediaType) -> bool:
    named = {name: value.lower() for name, value in wanted.range_params.items()}
    if named.pop("charset", "utf-8") != "utf-8" or named:
        return False
    if wanted.main_type == "*":
        return wanted.sub_type == "*"
    return wanted.main_type == offered.main_type and wanted.sub_type in {"*", offered.sub_type}
