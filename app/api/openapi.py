"""The contract as OpenAPI 3.1: ninja writes it from the routes; here it learns the rest."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from django.http import HttpRequest
from django.http.request import UnreadablePostError
from ninja import NinjaAPI
from ninja.parser import Parser

from api.problems import KINDS, MEDIA_TYPE
from api.problems import Problem as ApiProblem

JSON = "application/json"
PROBLEM_FROM = 400
DUMP_TYPES = ("application/x-ndjson", "text/csv", "text/calendar")
Node = dict[str, Any]

IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "required": True,
    "description": "The task's ETag, or *.",
    "schema": {"type": "string"},
}
IF_NONE_MATCH = {
    "in": "header",
    "name": "If-None-Match",
    "required": False,
    "description": "ETags the client holds: 304 when one is still right.",
    "schema": {"type": "string"},
}
IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "Chosen by the client: the same request sent again has its effect once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
RANGE = {
    "in": "header",
    "name": "Range",
    "required": False,
    "description": "Bytes of the sound (RFC 9110, section 14.2); If-Range is read too.",
    "schema": {"type": "string", "examples": ["bytes=0-1023"]},
}
# Problems that only these operations have; the others may be any's.
ONLY_OF: dict[str, set[str]] = {
    "unknown-cursor": {"list_tasks"},
    "in-flight": {"create_task"},
    "key-reused": {"create_task"},
    "token-in-use": {"revoke_token"},
    "speech-unavailable": {"hear_task", "hear_day"},
    "switched-off": set(),
    "forbidden": set(),
}
HEADERS = {
    "Accept": "The media types that are understood.",
    "Accept-Ranges": "bytes",
    "Content-Range": "Which bytes of how many these are.",
    "ETag": "Strong; for If-None-Match and If-Match.",
    "Idempotent-Replayed": "true: the task was made before, by the same request.",
    "Link": 'The next page, rel="next".',
    "Location": "The task's address.",
    "Retry-After": "Seconds.",
    "Sunset": "When the task will be forgotten (RFC 8594).",
    "WWW-Authenticate": "Bearer, and what is wrong with the token (RFC 6750).",
    "X-Agenda-Voice": "Whose voice it is.",
}
# Where they stand: of every operation, then of single ones.
OF_STATUS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(["200", "201", "206", "304", "412"], ("ETag",)),
    "401": ("WWW-Authenticate",),
    "415": ("Accept",),
    "416": ("Content-Range",),
    **dict.fromkeys(["429", "503"], ("Retry-After",)),
}
OF_SOUND = ("Accept-Ranges", "Sunset", "X-Agenda-Voice")
OF_ANSWER: dict[tuple[str, str], tuple[str, ...]] = {
    ("create_task", "201"): ("Idempotent-Replayed", "Location", "Sunset"),
    ("list_tasks", "200"): ("Link",),
    **dict.fromkeys(
        [(name, "200") for name in ("read_task", "replace_task", "change_task", "keep_task")],
        ("Sunset",),
    ),
    **{(name, "200"): OF_SOUND for name in ("hear_task", "hear_day")},
    **{(name, "206"): (*OF_SOUND, "Content-Range") for name in ("hear_task", "hear_day")},
}


class StrictParser(Parser):
    """I-JSON (RFC 7493): UTF-8, each name once, whole characters, no NaN; nested as an honest body
    is. What two readers could understand differently is refused.
    """

    def parse_body(self, request: HttpRequest) -> Any:
        try:
            if len(request.body) < int(request.META.get("CONTENT_LENGTH") or 0):
                raise ValueError("the connection ended before the body")
            text = request.body.decode()
            return json.loads(text, parse_constant=_no_number, object_pairs_hook=_named_once)
        except (ValueError, RecursionError, UnreadablePostError) as error:
            raise ApiProblem("bad-request") from error


def _no_number(name: str) -> None:
    raise ValueError(name)


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    "".join(found).encode()  # raises UnicodeEncodeError, a ValueError
    return found


class AgendaApi(NinjaAPI):
    def __init__(self, **options: Any) -> None:
        super().__init__(parser=StrictParser(), **options)

    @cached_property
    def contract(self) -> Node:
        """The schema as it is served."""
        schema = json.loads(json.dumps(self.get_openapi_schema(path_prefix="/api/v1/")))
        schema["servers"] = [{"url": "/"}]
        schema["components"]["securitySchemes"] = {
            "token": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "ctlv_…",
                "description": "From the account page. Scopes: read, create, write.",
            }
        }
        for path, operations in schema["paths"].items():
            for method, operation in operations.items():
                _complete(path, method, operation)
        _forget_unused(schema)
        return schema  # type: ignore[no-any-return] # json.loads


def _forget_unused(document: Node) -> None:
    """Ninja also lists what it has made parameters of."""
    text, schemas = json.dumps(document), document["components"]["schemas"]
    for name in list(schemas):
        if f'"#/components/schemas/{name}"' not in text:
            del schemas[name]


def _complete(path: str, method: str, operation: Node) -> None:
    if "security" in operation:
        operation["security"] = [{"token": []}]
    _parameters(path, method, operation)
    operation["operationId"] = operation["operationId"].rsplit("_routes_", 1)[-1].partition("_")[2]
    operation["responses"] = dict(sorted(operation["responses"].items()))
    for status, response in operation["responses"].items():
        _response(path, operation["operationId"], status, response)
    if method == "patch":
        content = operation["requestBody"]["content"]
        content["application/merge-patch+json"] = content[JSON]
    if operation["operationId"] == "create_task":
        operation["responses"]["201"]["links"] = _links()


def _parameters(path: str, method: str, operation: Node) -> None:
    parameters = operation.setdefault("parameters", [])
    for parameter in parameters:
        parameter["schema"] = _sendable(parameter["schema"])
    if "428" in operation["responses"] and path.endswith(("{task_id}", "/keep")):
        parameters.append(IF_MATCH)
    if "304" in operation["responses"]:
        parameters.append(IF_NONE_MATCH)
    if "206" in operation["responses"]:
        parameters.append(RANGE)
    if method == "post" and path.endswith("/tasks"):
        parameters.append(IDEMPOTENCY_KEY)


def _sendable(schema: Node) -> Node:
    """What an address can carry: a parameter is left out, and never null."""
    given = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    kept = {name: value for name, value in schema.items() if name not in {"anyOf", "default"}}
    if schema.get("default"):
        kept["default"] = schema["default"]
    return given[0] | kept if given else kept


def _response(path: str, name: str, status: str, response: Node) -> None:
    content = response.get("content", {})
    headers = OF_STATUS.get(status, ()) + OF_ANSWER.get((name, status), ())
    if headers and name != "dump_tasks":
        response["headers"] = {
            header: {"description": HEADERS[header], "schema": {"type": "string"}}
            for header in headers
        }
    if int(status) >= PROBLEM_FROM:
        response["content"] = {MEDIA_TYPE: content.get(JSON, {})}
        response["description"] = " ".join(
            known.english
            for kind, known in KINDS.items()
            if known.status == int(status) and name in ONLY_OF.get(kind, {name})
        )
        return
    if path.endswith("/speech") and status in {"200", "206"}:
        response["content"] = {"audio/mpeg": {"schema": {"type": "string", "format": "binary"}}}
    if path.endswith("/dump") and status == "200":
        text = {"schema": {"type": "string"}}
        response["content"] = {JSON: content[JSON], **dict.fromkeys(DUMP_TYPES, text)}


def _links() -> Node:
    """What can be done with a task just made: clients and tests follow them."""
    task = {"task_id": "$response.body#/id"}
    matched = task | {"header.If-Match": "$response.header.ETag"}
    return {
        name: {"operationId": name, "parameters": parameters}
        for name, parameters in {
            "read_task": task,
            "replace_task": matched,
            "change_task": matched,
            "keep_task": matched,
            "remove_task": matched,
            "hear_task": task,
        }.items()
    }
