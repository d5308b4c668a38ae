"""Who asks: a Bearer token in the header, and nothing else. No cookie, no address, no query."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Literal, cast

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from accounts.audit import What, note
from api.models import Token
from api.problems import Problem
from api.services import token_find

Scope = Literal["read", "create", "write"]
CHALLENGE = 'Bearer realm="agenda"'
# Tokens remembered at once; the one unused for longest is forgotten first, with a full bucket.
REMEMBERED = 10_000


class Throttle:
    """How often a token may ask: a bucket of requests that fills steadily. In this process only.

    Counting across processes would cost a write a request; so the limit is one a process, and the
    site's is at most as many times that as it has workers.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def forget(self) -> None:
        with self._lock:
            self._buckets.clear()

    def wait_s(self, key: Hashable, *, per_minute: int) -> int:
        """Take one request; return 0, or the whole seconds after which there is one again."""
        now_s = self._clock()
        with self._lock:
            left, since_s = self._buckets.pop(key, (float(per_minute), now_s))
            left = min(float(per_minute), left + (now_s - since_s) * per_minute / 60)
            is_allowed = left >= 1
            self._buckets[key] = (left - 1 if is_allowed else left, now_s)
            if len(self._buckets) > REMEMBERED:
                self._buckets.popitem(last=False)
        return 0 if is_allowed else max(1, math.ceil((1 - left) * 60 / per_minute))


THROTTLE = Throttle()


class BearerToken(HttpBearer):
    """Lets a request pass whose token has `scope`. Raises Problem."""

    openapi_bearerFormat = "ctlv_…"  # noqa: N815 - ninja writes it into the contract as it stands
    openapi_description = "From the account page. Scopes: read, create, write."

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
        if found.last_used_at is None:
            note(What.TOKEN_USED, found.owner_id, request=request, detail=f"…{found.hint}")
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


BearerToken.__name__ = "token"  # as the contract calls it
READ, CREATE, WRITE = BearerToken("read"), BearerToken("create"), BearerToken("write")
