"""What is wrong with a request's values, one by one, in both languages. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from api.problems import Fault

# pydantic's types of error, and our own (schemas.py). {x} comes from the error's context.
SENTENCES: dict[str, tuple[str, str]] = {
    "missing": ("C'est nécessaire.", "This is needed."),
    "extra_forbidden": ("Ce nom est inconnu ici.", "This name is unknown here."),
    "repeated": ("C'est dit deux fois.", "This is said twice."),
    "string_type": ("Un texte est attendu.", "A text is expected."),
    "string_too_short": (
        "Il faut au moins {min_length} caractère(s).",
        "At least {min_length} character(s) are needed.",
    ),
    "string_too_long": (
        "{max_length} caractères au plus.",
        "At most {max_length} characters.",
    ),
    "blank": ("Il n'y a rien à lire.", "There is nothing to read."),
    "text": (
        "La moitié d'un caractère ne peut être gardée.",
        "Half a character cannot be kept.",
    ),
    "string_unicode": (
        "La moitié d'un caractère ne peut être gardée.",
        "Half a character cannot be kept.",
    ),
    "control": (
        "Les caractères de contrôle ne sont pas acceptés.",
        "Control characters are not accepted.",
    ),
    "tag": (
        "Une étiquette : lettres, chiffres, - et _, 30 au plus.",
        "A tag: letters, digits, - and _, 30 at most.",
    ),
    "list_type": ("Une liste est attendue.", "A list is expected."),
    "too_long": ("{max_length} au plus.", "At most {max_length}."),
    "instant": (
        "Une date et une heure selon RFC 3339, avec leur décalage, sont attendues.",
        "A date and time as in RFC 3339, with its offset, are expected.",
    ),
    "bool_type": ("true ou false est attendu.", "true or false is expected."),
    "bool_parsing": ("true ou false est attendu.", "true or false is expected."),
    "int_type": ("Un nombre entier est attendu.", "A whole number is expected."),
    "int_parsing": ("Un nombre entier est attendu.", "A whole number is expected."),
    "greater_than_equal": ("Au moins {ge}.", "At least {ge}."),
    "less_than_equal": ("Au plus {le}.", "At most {le}."),
    "literal_error": ("Un de ceux-ci : {expected}.", "One of: {expected}."),
    "model_attributes_type": ("Un objet est attendu.", "An object is expected."),
    "model_type": ("Un objet est attendu.", "An object is expected."),
}
OTHERWISE = ("Cette valeur ne peut pas être acceptée.", "This value cannot be accepted.")
# More, or longer, nobody reads; and an answer must not be many times what was sent.
FAULTS_MAX = 100
NAME_LENGTH_MAX = 100
API_NAMES = {"is_private": "private"}


def request_faults(errors: Sequence[Mapping[str, Any]], *, language: str) -> list[Fault]:
    return [
        _place(error["loc"])
        | {"detail": sentence(error["type"], language=language, context=error.get("ctx"))}
        for error in errors[:FAULTS_MAX]
    ]


def model_faults(error: ValidationError) -> list[Fault]:
    """The agenda's own sentences, which are already in the reader's language."""
    return [
        {"pointer": _pointer([API_NAMES.get(field, field)]), "detail": str(message)}
        for field, messages in error.message_dict.items()
        for message in messages
        if field != NON_FIELD_ERRORS
    ]


def _place(location: Sequence[str | int]) -> Fault:
    """Ninja says ("body", argument, field, ...) or ("query", argument, field, ...)."""
    source, *path = location
    if source == "body":
        return {"pointer": _pointer(path[1:])}
    return {"parameter": str(path[-1])}


def _pointer(path: Sequence[str | int]) -> str:
    names = (str(part)[:NAME_LENGTH_MAX] for part in path)
    parts = (name.replace("~", "~0").replace("/", "~1") for name in names)
    return "".join(f"/{part}" for part in parts)


def sentence(kind: str, *, language: str, context: Mapping[str, Any] | None = None) -> str:
    french, english = SENTENCES.get(kind, OTHERWISE)
    return (french if language == "fr" else english).format_map(context or {})
