"""Everything that can go wrong, as RFC 9457 says it. The types are stable: clients rely on them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from django.utils.translation.trans_real import parse_accept_lang_header

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "/api/v1/docs#problem-"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its status, its title, and the headers that come with it."""

    status: int
    title: _StrPromise
    headers: tuple[str, ...] = ()

    def title_in(self, language: str) -> str:
        with translation.override(language):
            return str(self.title)


KINDS = {
    "bad-request": Kind(400, _("The request cannot be read.")),
    "unauthorized": Kind(
        401, _("A valid token is needed: Authorization: Bearer ctlv_…"), ("WWW-Authenticate",)
    ),
    "plain-http": Kind(
        403, _("A token travels over https only; this one was sent in clear: revoke it.")
    ),
    "insufficient-scope": Kind(403, _("This token is not allowed to do that.")),
    "forbidden": Kind(403, _("That is forbidden.")),
    "not-found": Kind(404, _("There is nothing at this address.")),
    "unknown-cursor": Kind(404, _("No page begins there: take `next` as it was given.")),
    "switched-off": Kind(404, _("The REST API is not switched on here (AGENDA_TOKEN_KEY_FILE).")),
    "method-not-allowed": Kind(405, _("This method does not exist here.")),
    "not-acceptable": Kind(406, _("None of the formats asked for exists here.")),
    "in-flight": Kind(
        409, _("A request with this Idempotency-Key is under way: try again in a moment.")
    ),
    "token-in-use": Kind(
        409, _("This request's own token: revoke it on the account page or with another one.")
    ),
    "gone": Kind(410, _("This task is forgotten.")),
    "length-required": Kind(411, _("Content-Length is needed.")),
    "precondition-failed": Kind(
        412, _("The task has changed since you read it: read it again."), ("ETag",)
    ),
    "too-large": Kind(413, _("The request is too large.")),
    "uri-too-long": Kind(414, _("The address is too long.")),
    "unsupported-media-type": Kind(415, _("The body must be JSON."), ("Accept",)),
    "range-not-satisfiable": Kind(416, _("The sound is shorter than that."), ("Content-Range",)),
    "expectation-failed": Kind(417, _("Of what Expect announces only 100-continue is understood.")),
    "invalid": Kind(422, _("Some values cannot be accepted.")),
    "key-reused": Kind(422, _("This Idempotency-Key was already used for another request.")),
    "precondition-required": Kind(
        428, _("Send If-Match with the task's ETag, so that nobody's work is overwritten.")
    ),
    "too-many-requests": Kind(429, _("Too many requests with this token."), ("Retry-After",)),
    "headers-too-large": Kind(431, _("The headers are too long.")),
    "internal": Kind(500, _("An error on our side.")),
    "not-implemented": Kind(501, _("This Transfer-Encoding is unknown.")),
    "unavailable": Kind(503, _("The service will be back in a moment."), ("Retry-After",)),
    "outcome-unknown": Kind(
        503,
        _("Nobody knows whether this was done: read it, or send it again under the same key."),
        ("Retry-After",),
    ),
    "speech-unavailable": Kind(503, _("No voice can speak now."), ("Retry-After",)),
}
# What a response of Django's own becomes.
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
# pydantic's types of error, and our own (schemas.py). {x} comes from the error's context.
SENTENCES = {
    "missing": _("This is needed."),
    "extra_forbidden": _("This name is unknown here."),
    "repeated": _("This is said twice."),
    "string_type": _("A text is expected."),
    "string_too_short": _("At least {min_length} character(s) are needed."),
    "string_too_long": _("At most {max_length} characters."),
    "blank": _("There is nothing to read."),
    "text": _("Half a character cannot be kept."),
    "string_unicode": _("Half a character cannot be kept."),
    "control": _("Control characters are not accepted."),
    "tag": _("A tag: letters, digits, - and _, 30 at most."),
    "repeat": _("One of: daily, weekdays, weekly, monthly, or a rule of RFC 5545."),
    "list_type": _("A list is expected."),
    "too_long": _("At most {max_length}."),
    "instant": _("A date and time as in RFC 3339, with its offset, are expected."),
    "bool_type": _("true or false is expected."),
    "bool_parsing": _("true or false is expected."),
    "int_type": _("A whole number is expected."),
    "int_parsing": _("A whole number is expected."),
    "greater_than_equal": _("At least {ge}."),
    "less_than_equal": _("At most {le}."),
    "literal_error": _("One of: {expected}."),
    "model_attributes_type": _("An object is expected."),
    "model_type": _("An object is expected."),
}
OTHERWISE = _("This value cannot be accepted.")
# More, or longer, nobody reads; and a response must not be many times what was sent.
FAULTS_MAX = 100
NAME_LENGTH_MAX = 100
API_NAMES = {"is_private": "private"}

Fault = dict[str, str]


class Problem(Exception):
    """Raised by whatever finds out; becomes the response in one place (see v1.py)."""

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
        self.faults = faults[:FAULTS_MAX]
        self.headers = headers or {}


def problem_response(problem: Problem) -> HttpResponse:
    """In the language of the request, which the middleware has made the current one."""
    kind = KINDS[problem.kind]
    document: dict[str, Any] = {
        "type": TYPE_PREFIX + problem.kind,
        "title": str(kind.title),
        "status": kind.status,
    }
    if problem.detail:
        document["detail"] = problem.detail
    if problem.faults:
        document["errors"] = list(problem.faults)
    # Half a character in a name that the client sent goes back as the \\ud800 it came as.
    body = json.dumps(document, ensure_ascii=False).encode(errors="backslashreplace")
    headers = {
        "Cache-Control": "no-store",
        "Content-Language": translation.get_language(),
        **problem.headers,
    }
    return HttpResponse(body, status=kind.status, content_type=MEDIA_TYPE, headers=headers)


def language_of(request: HttpRequest) -> str:
    """The language of the response: the first of the client's that is ours, else English."""
    for code, quality in parse_accept_lang_header(request.headers.get("Accept-Language", "")):
        if code == "*" or not quality:
            continue
        try:
            return translation.get_supported_language_variant(code)
        except LookupError:
            continue
    return "en"


def request_faults(errors: Sequence[Mapping[str, Any]]) -> list[Fault]:
    """Ninja places them: ("body", argument, field, ...) or ("query", argument, field, ...)."""
    faults = []
    for error in errors[:FAULTS_MAX]:
        source, *path = error["loc"]
        is_in_body = source == "body"
        place = {"pointer": _pointer(path[1:])} if is_in_body else {"parameter": str(path[-1])}
        faults.append(place | {"detail": sentence(error["type"], error.get("ctx"))})
    return faults


def model_faults(error: ValidationError) -> list[Fault]:
    """The agenda's own sentences."""
    return [
        {"pointer": _pointer([API_NAMES.get(field, field)]), "detail": str(message)}
        for field, messages in error.message_dict.items()
        for message in messages
        if field != NON_FIELD_ERRORS
    ]


def parameter_fault(name: str, kind: str) -> Fault:
    return {"parameter": name[:NAME_LENGTH_MAX], "detail": sentence(kind)}


def sentence(kind: str, context: Mapping[str, Any] | None = None) -> str:
    return str(SENTENCES.get(kind, OTHERWISE)).format_map(context or {})


def _pointer(path: Sequence[str | int]) -> str:
    names = (str(part)[:NAME_LENGTH_MAX] for part in path)
    return "".join(f"/{name.replace('~', '~0').replace('/', '~1')}" for name in names)
