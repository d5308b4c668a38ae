"""What a person, or a client's generator, reads first. All from this server, without scripts."""

from __future__ import annotations

from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET

from api.openapi import Node
from api.problems import KINDS
from api.responses import json_response
from api.v1 import api

STYLE = Path(__file__).with_name("docs.css").read_bytes()
FRESH = "public, max-age=300"


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Where everything is."""
    links = {
        "tasks": "/api/v1/tasks",
        "dump": "/api/v1/dump",
        "day": "/api/v1/day/speech",
        "me": "/api/v1/me",
        "contract": "/api/v1/openapi.json",
        "documentation": "/api/v1/docs",
    }
    return json_response(request, links)


@require_GET
def contract(request: HttpRequest) -> HttpResponse:
    return json_response(request, api.contract, fresh=FRESH)


@require_GET
def style(request: HttpRequest) -> HttpResponse:
    return HttpResponse(STYLE, content_type="text/css", headers={"Cache-Control": FRESH})


@require_GET
def page(request: HttpRequest) -> HttpResponse:
    # No request in the context: what goes with it would ask for sessions, which are not for here.
    context = {
        "address": f"{request.scheme}://{request.get_host()}/api/v1",
        "contract": api.contract,
        "groups": _groups(api.contract),
        "schemas": [_schema(name, api.contract) for name in SCHEMAS_SHOWN],
        "problems": {
            name: (kind.status, kind.title_in("en"), kind.title_in("fr"))
            for name, kind in KINDS.items()
        },
    }
    page = render_to_string("api/docs.html", context)
    return HttpResponse(page, headers={"Cache-Control": FRESH})


SCHEMAS_SHOWN = ("TaskIn", "TaskPatch", "Keep", "TaskOut", "TaskPage", "Me", "ProblemOut")


def _groups(document: Node) -> dict[str, list[Node]]:
    groups: dict[str, list[Node]] = {}
    for address, operations in document["paths"].items():
        for method, operation in operations.items():
            parameters = [
                about | {"kind": _kind(about["schema"], is_needed=about["required"])}
                for about in operation["parameters"]
            ]
            shown = {"method": method.upper(), "path": address, "parameters": parameters}
            groups.setdefault(operation["tags"][0], []).append(operation | shown)
    return groups


def _schema(name: str, document: Node) -> Node:
    schema = document["components"]["schemas"][name]
    required = schema.get("required", [])
    fields = [
        about | {"name": field, "kind": _kind(about, is_needed=field in required)}
        for field, about in schema["properties"].items()
    ]
    return {"name": name, "description": schema.get("description", ""), "fields": fields}


def _kind(about: Node, *, is_needed: bool = False) -> str:
    if is_needed:
        return f"{_kind(about)}, needed"
    if "$ref" in about:
        return str(about["$ref"].rsplit("/", 1)[-1])
    if "anyOf" in about:
        return " | ".join(_kind(choice) for choice in about["anyOf"])
    if "enum" in about:
        return " | ".join(choice or "(nothing)" for choice in about["enum"])
    if about.get("type") == "array":
        most = f", {about['maxItems']} at most" if "maxItems" in about else ""
        return f"[{_kind(about['items'])}]{most}"
    return str(about.get("format") or about.get("type", "")) + _limits(about)


def _limits(about: Node) -> str:
    if "maxLength" in about:
        return f", {about.get('minLength', 0)} to {about['maxLength']} characters"
    if "maximum" in about:
        return f", {about.get('minimum', 0)} to {about['maximum']}"
    return ""
