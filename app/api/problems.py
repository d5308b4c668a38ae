"""Everything that can go wrong, as RFC 9457 says it. The types are stable: clients rely on them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_supported_language_variant
from django.utils.translation.trans_real import parse_accept_lang_header

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "/api/v1/docs#problem-"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its status, and its title in French and English."""

    status: int
    french: str
    english: str

    def title(self, language: str) -> str:
        return self.french if language == "fr" else self.english


KINDS: dict[str, Kind] = {
    "bad-request": Kind(400, "La requête est illisible.", "The request cannot be read."),
    "unauthorized": Kind(
        401,
        "Un jeton valide est nécessaire : Authorization: Bearer ctlv_…",
        "A valid token is needed: Authorization: Bearer ctlv_…",
    ),
    "plain-http": Kind(
        403,
        "Un jeton ne passe que par https ; celui-ci a voyagé en clair : révoquez-le.",
        "A token travels over https only; this one was sent in clear: revoke it.",
    ),
    "insufficient-scope": Kind(
        403, "Ce jeton n'en a pas le droit.", "This token is not allowed to do that."
    ),
    "forbidden": Kind(403, "C'est interdit.", "That is forbidden."),
    "not-found": Kind(404, "Il n'y a rien à cette adresse.", "There is nothing at this address."),
    "unknown-cursor": Kind(
        404,
        "Aucune page ne commence là : reprenez `next` tel qu'il a été donné.",
        "No page begins there: take `next` as it was given.",
    ),
    "switched-off": Kind(
        404,
        "L'API REST n'est pas activée ici (AGENDA_TOKEN_KEY_FILE).",
        "The REST API is not switched on here (AGENDA_TOKEN_KEY_FILE).",
    ),
    "method-not-allowed": Kind(
        405, "Cette méthode n'existe pas ici.", "This method does not exist here."
    ),
    "not-acceptable": Kind(
        406,
        "Aucun des formats demandés n'existe ici.",
        "None of the formats asked for exists here.",
    ),
    "in-flight": Kind(
        409,
        "Une requête avec cette Idempotency-Key est en cours : réessayez dans un instant.",
        "A request with this Idempotency-Key is under way: try again in a moment.",
    ),
    "token-in-use": Kind(
        409,
        "C'est le jeton de cette requête : révoquez-le sur la page du compte ou avec un autre.",
        "This request's own token: revoke it on the account page or with another one.",
    ),
    "gone": Kind(410, "Cette tâche est oubliée.", "This task is forgotten."),
    "length-required": Kind(411, "Content-Length est nécessaire.", "Content-Length is needed."),
    "precondition-failed": Kind(
        412,
        "La tâche a changé depuis que vous l'avez lue : relisez-la.",
        "The task has changed since you read it: read it again.",
    ),
    "too-large": Kind(413, "La requête est trop grande.", "The request is too large."),
    "uri-too-long": Kind(414, "L'adresse est trop longue.", "The address is too long."),
    "unsupported-media-type": Kind(415, "Le corps doit être du JSON.", "The body must be JSON."),
    "range-not-satisfiable": Kind(
        416, "Le son est plus court que cela.", "The sound is shorter than that."
    ),
    "expectation-failed": Kind(
        417,
        "De ce qu'annonce Expect, seul 100-continue est compris.",
        "Of what Expect announces only 100-continue is understood.",
    ),
    "invalid": Kind(
        422, "Des valeurs ne peuvent pas être acceptées.", "Some values cannot be accepted."
    ),
    "key-reused": Kind(
        422,
        "Cette Idempotency-Key a déjà servi pour une autre requête.",
        "This Idempotency-Key was already used for another request.",
    ),
    "precondition-required": Kind(
        428,
        "Envoyez If-Match avec l'ETag de la tâche, pour n'écraser le travail de personne.",
        "Send If-Match with the task's ETag, so that nobody's work is overwritten.",
    ),
    "too-many-requests": Kind(
        429, "Trop de requêtes avec ce jeton.", "Too many requests with this token."
    ),
    "headers-too-large": Kind(431, "Les en-têtes sont trop longs.", "The headers are too long."),
    "internal": Kind(500, "Une erreur de notre côté.", "An error on our side."),
    "not-implemented": Kind(
        501, "Ce Transfer-Encoding est inconnu.", "This Transfer-Encoding is unknown."
    ),
    "unavailable": Kind(
        503, "Le service revient bientôt.", "The service will be back in a moment."
    ),
    "speech-unavailable": Kind(
        503, "Aucune voix ne peut parler maintenant.", "No voice can speak now."
    ),
}
# What an answer of Django's own becomes.
KIND_OF_STATUS = {
    400: "bad-request",
    401: "unauthorized",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    414: "uri-too-long",
    416: "range-not-satisfiable",
    503: "unavailable",
}

Fault = dict[str, str]


class Problem(Exception):
    """Raised by whatever finds out; becomes the answer in one place (see v1.py)."""

    def __init__(
        self,
        kind: str,
        *,
        detail: str = "",
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind)
        self.kind = kind
        self.detail = detail
        self.faults = faults
        self.headers = headers or {}


def problem_response(request: HttpRequest, problem: Problem) -> HttpResponse:
    kind, language = KINDS[problem.kind], spoken(request)
    document: dict[str, Any] = {
        "type": TYPE_PREFIX + problem.kind,
        "title": kind.title(language),
        "status": kind.status,
    }
    if problem.detail:
        document["detail"] = problem.detail
    if problem.faults:
        document["errors"] = list(problem.faults)
    # Half a character in a name that the client sent goes back as the \\ud800 it came as.
    body = json.dumps(document, ensure_ascii=False).encode(errors="backslashreplace")
    response = HttpResponse(body, status=kind.status, content_type=MEDIA_TYPE)
    response["Cache-Control"] = "no-store"
    response["Content-Language"] = language
    for name, value in problem.headers.items():
        response[name] = value
    return response


def spoken(request: HttpRequest) -> str:
    """The language of the answer: the first of the client's that is ours, else English."""
    for code, quality in parse_accept_lang_header(request.META.get("HTTP_ACCEPT_LANGUAGE", "")):
        if code == "*" or not quality:
            continue
        try:
            return get_supported_language_variant(code)
        except LookupError:
            continue
    return "en"
