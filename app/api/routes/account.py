"""Whose token this is, and the user's tokens."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Router

from api.answers import json_answer, json_only
from api.auth import READ, WRITE, token_of
from api.models import Token
from api.outgoing import token_out
from api.problems import Problem
from api.routes.tasks import READS
from api.schemas import Me, ProblemOut, TokenList
from api.services import token_revoke
from speech import services as speech

router = Router(tags=["account"])
router.add_decorator(json_only, mode="view")


@router.get("/me", auth=READ, response={200: Me, 304: None} | READS)
def read_me(request: HttpRequest) -> HttpResponse:
    """The user, and the token that asks."""
    token = token_of(request)
    user = token.owner
    voice = "google" if speech.leaves_network() and user.voice == "google" else "local"
    return json_answer(
        request,
        {
            "id": str(user.pk),
            "username": user.username,
            "language": user.language or settings.LANGUAGE_CODE,
            "time_zone": user.time_zone or settings.TIME_ZONE,
            "voice": voice if speech.is_enabled() else "off",
            "token": token_out(token),
        },
    )


@router.get("/tokens", auth=READ, response={200: TokenList, 304: None} | READS)
def list_tokens(request: HttpRequest) -> HttpResponse:
    """The user's tokens. New ones are made on the account page, where a password was given."""
    mine = Token.objects.with_owner().filter(owner_id=token_of(request).owner_id)
    return json_answer(request, {"items": [token_out(token) for token in mine]})


@router.delete(
    "/tokens/{identity:token_id}",
    auth=WRITE,
    response={204: None, frozenset({404, 409}): ProblemOut} | READS,
)
def revoke_token(request: HttpRequest, token_id: UUID) -> HttpResponse:
    """Revoke another token of the user's: it is worth nothing from then on. Not the one that asks,
    so that a program never saws off the branch it sits on.
    """
    if token_of(request).id == token_id:
        raise Problem("token-in-use")
    if not token_revoke(owner_id=token_of(request).owner_id, token_id=token_id):
        raise Problem("not-found")
    return HttpResponse(status=204)
