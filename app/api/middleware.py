"""What holds for every address below /api/: no cookies, HEAD, OPTIONS, sizes, problems.

It stands outside Django's own error handling, so that a page in HTML, whatever made it, never
reaches a program.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.cache import patch_vary_headers

from api.problems import KIND_OF_STATUS, MEDIA_TYPE, Problem, problem_response

Next = Callable[[HttpRequest], HttpResponse]

PREFIX = "/api/"
LARGEST_BODY_BYTES = 64 * 1024
JSON_TYPES = {"application/json", "application/merge-patch+json"}
WITH_BODY = {"POST", "PUT", "PATCH"}
# What a page of a configured origin may send and read.
CORS_HEADERS = {
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-Match, "
    "If-None-Match",
    "Access-Control-Expose-Headers": "ETag, Link, Location, Retry-After, Sunset, X-Agenda-Voice",
    "Access-Control-Max-Age": "600",
}


class ApiMiddleware:
    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(PREFIX):
            return self.get_response(request)
        _forget_cookies(request)
        response = self._answer(request)
        patch_vary_headers(response, ["Accept", "Accept-Language", "Authorization"])
        _share(request, response)
        return response

    def _answer(self, request: HttpRequest) -> HttpResponse:
        refused = _refusal(request)
        if refused is not None:
            return problem_response(request, refused)
        if request.method == "HEAD":
            request.method = "GET"
            return _without_body(self._problems_only(request))
        if request.method == "OPTIONS":
            return _options(self._problems_only(request))
        return self._problems_only(request)

    def _problems_only(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code < HTTPStatus.BAD_REQUEST or _is_problem(response):
            return response
        kind = KIND_OF_STATUS.get(response.status_code, "internal")
        kept = {name: response[name] for name in ("Allow", "Retry-After") if name in response}
        if "Allow" in kept:
            kept["Allow"] = _allowed(kept["Allow"])
        return problem_response(request, Problem(kind, headers=kept))


def _forget_cookies(request: HttpRequest) -> None:
    """A browser's session must be worth nothing here: no request forgery, no session to read."""
    request.META.pop("HTTP_COOKIE", None)
    request.COOKIES = {}


def _refusal(request: HttpRequest) -> Problem | None:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal():
        return Problem("bad-request")
    if int(length) > LARGEST_BODY_BYTES:
        return Problem("too-large", detail=f"{LARGEST_BODY_BYTES} bytes")
    has_body = request.method in WITH_BODY and int(length) > 0
    if has_body and request.content_type not in JSON_TYPES:
        accepted = {"Accept": ", ".join(sorted(JSON_TYPES))}
        return Problem("unsupported-media-type", detail=str(request.content_type), headers=accepted)
    return None


def _is_problem(response: HttpResponse) -> bool:
    return response.headers.get("Content-Type", "").startswith(MEDIA_TYPE)


def _allowed(methods: str) -> str:
    """HEAD and OPTIONS are ours to answer."""
    names = {name.strip() for name in methods.split(",") if name.strip()}
    if "GET" in names:
        names.add("HEAD")
    return ", ".join(sorted(names | {"OPTIONS"}))


def _options(response: HttpResponse) -> HttpResponse:
    if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
        return response
    return HttpResponse(status=204, headers={"Allow": response["Allow"]})


def _without_body(response: HttpResponse) -> HttpResponse:
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = iter([])
        return response
    length = len(response.content)
    response.content = b""
    response["Content-Length"] = str(length)
    return response


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
