"""Who asks: a Bearer token in the header, and nothing else. No cookie, no address, no query."""

from __future__ import annotations

from typing import Literal, cast

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from api.models import Token
from api.problems import Problem
from api.services import token_find
from api.throttle import Throttle

Scope = Literal["read", "create", "write"]
THROTTLE = Throttle()
CHALLENGE = 'Bearer realm="agenda"'


class BearerToken(HttpBearer):
    """Lets a request pass whose token has `scope`. Raises Problem."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> Token:
        if not (request.is_secure() or settings.API_PLAIN_HTTP):
            raise Problem("plain-http")
        # RFC 9110: one space or more after the scheme.
        found = token_find(token.lstrip(" "), at=timezone.now())
        if found is None:
            raise Problem(
                "unauthorized", headers={"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'}
            )
        wait_s = THROTTLE.wait_s(found.id, per_minute=settings.API_RATE)
        if wait_s:
            raise Problem("too-many-requests", headers={"Retry-After": str(wait_s)})
        if self.scope not in found.scope_list:
            challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{self.scope}"'
            raise Problem(
                "insufficient-scope", detail=self.scope, headers={"WWW-Authenticate": challenge}
            )
        return found


def token_of(request: HttpRequest) -> Token:
    """The token that let this request pass."""
    return cast(Token, request.auth)  # type: ignore[attr-defined] # set by ninja


READ, CREATE, WRITE = BearerToken("read"), BearerToken("create"), BearerToken("write")
