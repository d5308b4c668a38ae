"""Everything that can go wrong, as RFC 9457 says it. The types are stable: clients rely on them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import translation

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
    "gone": Kind(410, "Cette tâche est oubliée.", "This task is forgotten."),
    "precondition-failed": Kind(
        412,
        "La tâche a changé depuis que vous l'avez lue : relisez-la.",
        "The task has changed since you read it: read it again.",
    ),
    "too-large": Kind(413, "La requête est trop grande.", "The request is too large."),
    "unsupported-media-type": Kind(415, "Le corps doit être du JSON.", "The body must be JSON."),
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
    "internal": Kind(500, "Une erreur de notre côté.", "An error on our side."),
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
    kind = KINDS[problem.kind]
    document: dict[str, Any] = {
        "type": TYPE_PREFIX + problem.kind,
        "title": kind.title(spoken(request)),
        "status": kind.status,
    }
    if problem.detail:
        document["detail"] = problem.detail
    if problem.faults:
        document["errors"] = list(problem.faults)
    body = json.dumps(document, ensure_ascii=False)
    response = HttpResponse(body, status=kind.status, content_type=MEDIA_TYPE)
    response["Cache-Control"] = "no-store"
    response["Content-Language"] = spoken(request)
    for name, value in problem.headers.items():
        response[name] = value
    return response


def spoken(request: HttpRequest) -> str:
    """The language of the answer: the client's, and English for what is neither of ours."""
    accepted = request.headers.get("Accept-Language", "").strip()
    return translation.get_language_from_request(request) if accepted else "en"
