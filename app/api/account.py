"""Whose token this is, and the user's tokens. Without a token: is the service alive and ready."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from ninja import Router

from accounts.audit import What, note
from agenda.quotas import held
from api.auth import READ, WRITE, token_of
from api.models import Token
from api.openapi import READS, contract
from api.problems import Problem
from api.responses import json_only, json_response
from api.rows import token_out
from api.schemas import Health, Me, Readiness, TokenList
from api.services import token_revoke
from speech import services as speech

router = Router(tags=["account"])
router.add_decorator(json_only, mode="view")
service = Router(tags=["service"])
service.add_decorator(json_only, mode="view")
TAGGED = {200: ("ETag",)}


@router.get("/me", auth=READ, **contract({200: Me, 304: None}, READS, headers=TAGGED))
def read_me(request: HttpRequest) -> HttpResponse:
    """The user, the token that asks, and how much of what the site allows is used."""
    token = token_of(request)
    user = token.owner
    voice = "google" if speech.leaves_network() and user.voice == "google" else "local"
    return json_response(
        request,
        {
            "id": str(user.pk),
            "username": user.username,
            "language": user.language or settings.LANGUAGE_CODE,
            "time_zone": user.time_zone or settings.TIME_ZONE,
            "voice_speed": user.voice_speed,
            "announce_minutes": user.lead_minutes,
            "voice": voice if speech.is_enabled() else "off",
            "token": token_out(token),
            "quota": _quota(token.owner_id),
        },
    )


def _quota(owner_id: UUID) -> dict[str, Any]:
    now, tokens = held(owner_id), Token.objects.filter(owner_id=owner_id).count()
    return {
        "tasks": {"used": now.tasks, "most": settings.MOST_TASKS},
        "bytes": {"used": now.bytes, "most": settings.MOST_KIB * 1024},
        "tokens": {"used": tokens, "most": settings.MOST_TOKENS},
    }


@router.get("/tokens", auth=READ, **contract({200: TokenList, 304: None}, READS, headers=TAGGED))
def list_tokens(request: HttpRequest) -> HttpResponse:
    """The user's tokens. New ones are made on the account page, where a password was given."""
    mine = Token.objects.with_owner().filter(owner_id=token_of(request).owner_id)
    return json_response(request, {"items": [token_out(token) for token in mine]})


@router.delete(
    "/tokens/{identity:token_id}",
    auth=WRITE,
    **contract({204: None}, (*READS, "not-found", "token-in-use", "outcome-unknown")),
)
def revoke_token(request: HttpRequest, token_id: UUID) -> HttpResponse:
    """Revoke another token of the user's: it is worth nothing from then on. Not the one that asks,
    so that a program never saws off the branch it sits on.
    """
    if token_of(request).id == token_id:
        raise Problem("token-in-use")
    if not token_revoke(owner_id=token_of(request).owner_id, token_id=token_id):
        raise Problem("not-found")
    note(What.TOKEN_REVOKED, token_of(request).owner_id, request=request)
    return HttpResponse(status=204)


@service.get(
    "/health",
    **contract({200: Health, 304: None}, ("bad-request", "not-acceptable"), headers=TAGGED),
)
def health(request: HttpRequest) -> HttpResponse:
    """The process answers. Asks nobody."""
    return json_response(request, {"status": "ok"})


@service.get(
    "/ready",
    **contract(
        {200: Readiness, 304: None},
        ("bad-request", "not-acceptable", "unavailable"),
        headers=TAGGED,
    ),
)
def ready(request: HttpRequest) -> HttpResponse:
    """The database answers. A voice that is missing is told, but stops no task."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM api_token LIMIT 1")
    except DatabaseError as error:
        raise Problem("unavailable", detail="database", headers={"Retry-After": "5"}) from error
    # Details of this machine are for its operators: /readyz.
    voice = "missing" if speech.problems() else "ok"
    return json_response(request, {"database": "ok", "speech": voice})
