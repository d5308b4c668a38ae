"""What holds for every address of the API: no cookies, HEAD, OPTIONS, sizes, problems.

It stands outside Django's own error handling, so that a page in HTML, whatever made it, never
reaches a program.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.request import UnreadablePostError
from django.utils import translation
from django.utils.cache import patch_vary_headers

from api.problems import KIND_OF_STATUS, MEDIA_TYPE, Problem, language_of, problem_response

Next = Callable[[HttpRequest], HttpResponse]

PREFIX = "/api/"
FOR_MACHINES = {"/healthz", "/readyz"}
# The longest honest body: notes of 10,000 characters, each of them written as two \uXXXX.
LARGEST_BODY_BYTES = 256 * 1024
# A body that is refused is still read so far, or its sender sees a broken pipe instead of why.
LARGEST_DRAIN_BYTES = 16 * 1024 * 1024
DRAIN_BYTES = 64 * 1024
LENGTH_DIGITS_MAX = 12
JSON_TYPES = {"application/json", "application/merge-patch+json"}
UNCODED = "identity"
WITHOUT_CONTENT = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
WITH_BODY = {"POST", "PUT", "PATCH"}
KEPT = ("Content-Range", "Retry-After")
# What a page of a configured origin may send and read.
CORS_HEADERS = {
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-Match, "
    "If-None-Match",
    "Access-Control-Expose-Headers": "ETag, Idempotent-Replayed, Link, Location, Retry-After, "
    "Sunset, X-Agenda-Voice",
    "Access-Control-Max-Age": "600",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def is_for_programs(path: str) -> bool:
    if settings.IS_WEB:
        return path.startswith(PREFIX)
    return path not in FOR_MACHINES


class ApiMiddleware:
    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_for_programs(request.path):
            return self.get_response(request)
        # A browser's session must be worth nothing here: no request forgery, no session to read.
        request.META.pop("HTTP_COOKIE", None)
        request.COOKIES = {}
        # Media types are the same in capitals; none is as good as none said.
        request.META["HTTP_ACCEPT"] = request.META.get("HTTP_ACCEPT", "").strip().lower() or "*/*"
        # The agenda's own sentences in a response are of the same language as the API's; Django
        # reads META. `request.headers`, which was read just now, keeps what the client sent.
        language = language_of(request)
        request.META["HTTP_ACCEPT_LANGUAGE"] = language
        with translation.override(language):
            response = self._respond(request)
        _measure(response)
        if request.method == "HEAD":
            _empty(response)
        patch_vary_headers(response, ["Accept", "Accept-Language", "Authorization"])
        _share(request, response)
        return response

    def _respond(self, request: HttpRequest) -> HttpResponse:
        refused = _refusal(request)
        if refused is not None:
            _drain(request)
            return problem_response(refused)
        is_head = request.method == "HEAD"
        if is_head:
            request.method = "GET"
        try:
            response = self.get_response(request)
        finally:
            if is_head:
                request.method = "HEAD"
        if response.status_code < HTTPStatus.BAD_REQUEST or _is_problem(response):
            return response
        allowed = _allowed(response)
        if request.method == "OPTIONS" and allowed:
            return HttpResponse(status=204, headers=allowed)
        is_ours = response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        kind = KIND_OF_STATUS.get(response.status_code, "internal" if is_ours else "bad-request")
        kept = {name: response[name] for name in KEPT if name in response}
        return problem_response(Problem(kind, headers=kept | allowed))


def _refusal(request: HttpRequest) -> Problem | None:
    if not settings.API_ENABLED:
        return Problem("switched-off")
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdecimal()):
        return Problem("bad-request", detail="Content-Length")
    if len(length) > LENGTH_DIGITS_MAX or int(length) > LARGEST_BODY_BYTES:
        return Problem("too-large", detail=f"{LARGEST_BODY_BYTES} bytes")
    if request.method not in WITH_BODY:
        return None
    if "HTTP_TRANSFER_ENCODING" in request.META and not int(length):
        return Problem("length-required")
    return _refused_type(request) if int(length) else None


def _refused_type(request: HttpRequest) -> Problem | None:
    coding = request.headers.get("Content-Encoding", "").strip().lower() or UNCODED
    if coding != UNCODED:
        headers = {"Accept-Encoding": UNCODED}
        return Problem("unsupported-media-type", detail=coding[:100], headers=headers)
    charset = (request.content_params or {}).get("charset", "utf-8").strip('"').lower()
    if request.content_type in JSON_TYPES and charset in {"utf-8", "utf8", "us-ascii"}:
        return None
    accepted = ", ".join(sorted(JSON_TYPES))
    given = request.META.get("CONTENT_TYPE", "")
    return Problem("unsupported-media-type", detail=str(given)[:100], headers={"Accept": accepted})


def _drain(request: HttpRequest) -> None:
    left = LARGEST_DRAIN_BYTES
    with contextlib.suppress(UnreadablePostError):
        while left > 0 and (chunk := request.read(DRAIN_BYTES)):
            left -= len(chunk)


def _is_problem(response: HttpResponse) -> bool:
    return response.headers.get("Content-Type", "").startswith(MEDIA_TYPE)


def _allowed(response: HttpResponse) -> dict[str, str]:
    """Of a 405 the methods that there are. HEAD and OPTIONS are ours to answer."""
    if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
        return {}
    names = {"OPTIONS", *response["Allow"].replace(" ", "").split(",")}
    return {"Allow": ", ".join(sorted(names | {"HEAD"} if "GET" in names else names))}


def _measure(response: HttpResponse) -> None:
    """Say how long the content is: Django does it for what comes from further inside only."""
    if response.status_code in WITHOUT_CONTENT:
        del response["Content-Type"]
        del response["Content-Length"]
    elif not response.streaming:
        response["Content-Length"] = str(len(response.content))


def _empty(response: HttpResponse) -> None:
    """For HEAD: all of the response but its content."""
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = iter([])
    else:
        response.content = b""


def _share(request: HttpRequest, response: HttpResponse) -> None:
    """CORS, for configured origins only. Never with credentials: there are none but the token."""
    origin = request.headers.get("Origin", "")
    if not settings.API_ORIGINS:
        return
    patch_vary_headers(response, ["Origin"])
    if origin in settings.API_ORIGINS:
        response["Access-Control-Allow-Origin"] = origin
        for name, value in CORS_HEADERS.items():
            response[name] = value
        if "Allow" in response:
            response["Access-Control-Allow-Methods"] = response["Allow"]
