"""A program with a token, and what it sends."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from accounts.models import User
from api.models import SCOPES
from api.services import Order, token_create


def token_for(user: User, *scopes: str, name: str = "test") -> str:
    order = Order(name=name, scopes=list(scopes or SCOPES), days=3)
    return token_create(order, owner_id=user.pk, at=timezone.now())[1]


class Program:
    """`Program(token).post("/tasks", {...}, If_Match="*")`; without a token it sends none."""

    def __init__(self, token: str = "") -> None:
        self.token = token
        self.client = Client(raise_request_exception=False)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        content = body if isinstance(body, bytes) else b"" if body is None else _json(body)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent = {"Authorization": f"Bearer {self.token}"} | sent
        kind = sent.pop("Content-Type", "application/json")
        address = path if path.startswith("/api") else f"/api/v1{path}"
        return self.client.generic(method, address, content, content_type=kind, headers=sent)

    def get(self, path: str, **headers: str) -> Any:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return self("POST", path, body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        return self("PATCH", path, body, **headers)


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()


def soon(**left: float) -> str:
    return (timezone.now() + timedelta(**(left or {"hours": 3}))).isoformat()


def task(title: str = "Rendre le TP3", **given: Any) -> dict[str, Any]:
    return {"title": title, "deadline_at": soon()} | given
