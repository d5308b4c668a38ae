"""Tags: short names that stand in the task's own row, so that they are forgotten with it. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

TAGS_MAX = 10
TAG_LENGTH_MAX = 30
# " projet tp ": a space on both sides of each, so that "tp" is found and "t" is not.
COLUMN_LENGTH = TAGS_MAX * (TAG_LENGTH_MAX + 1) + 1


def tag_name(word: str) -> str | None:
    """ "#Projet" and "projet" are one tag: "projet". None: this cannot be one."""
    name = unicodedata.normalize("NFC", word.strip().removeprefix("#").lower())
    kinds = [unicodedata.category(character)[0] for character in name]
    if not 0 < len(name) <= TAG_LENGTH_MAX or kinds[0] not in {"L", "N"}:
        return None
    is_plain = all(
        kind in {"L", "N", "M"} or character in "-_"
        for kind, character in zip(kinds, name, strict=True)
    )
    return name if is_plain else None


def tag_names(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """The tags in `words`, each once and in their order; and the words that cannot be tags."""
    names: dict[str, None] = {}
    wrong = []
    for word in words:
        name = tag_name(word)
        if name is None:
            wrong.append(word)
        else:
            names[name] = None
    return list(names), wrong


def column_of(names: Iterable[str]) -> str:
    joined = " ".join(names)
    return f" {joined} " if joined else ""
