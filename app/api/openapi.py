"""The contract as OpenAPI 3.1: ninja writes it from the routes and what stands beside each of them.

`contract(...)` gives a route its `response` and its `openapi_extra`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from django.http import HttpRequest
from ninja import NinjaAPI
from ninja.operation import Operation
from ninja.parser import Parser
from ninja.schema import NinjaGenerateJsonSchema

from api.problems import KINDS, MEDIA_TYPE, Kind
from api.schemas import ProblemOut

Node = dict[str, Any]
NOT_MODIFIED = 304
# What a French reader is shown of the contract, and of its viewer's own words.
FRENCH = json.loads(Path(__file__).with_name("docs.fr.json").read_text("utf-8"))
PROSE = ("description", "summary")
REF = "#/components/schemas/"
PROBLEM = {"content": {MEDIA_TYPE: {"schema": {"$ref": f"{REF}ProblemOut"}}}}
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


def header(name: str, description: str, *, required: bool = False, **schema: Any) -> Node:
    """A request header, as a parameter."""
    about = {"in": "header", "name": name, "required": required, "description": description}
    return about | {"schema": {"type": "string", **schema}}


IF_MATCH = header("If-Match", "The task's ETag, or *.", required=True)
IF_NONE_MATCH = header("If-None-Match", "ETags the client holds: 304 when one is still right.")
# What may go wrong, by what an operation does; the routes add to it what is theirs alone.
READS = (
    *("bad-request", "unauthorized", "plain-http", "insufficient-scope", "not-acceptable"),
    *("too-many-requests", "unavailable"),
)
ONE = (*READS, "not-found", "gone")
CHANGES = (*ONE, "precondition-failed", "precondition-required", "outcome-unknown")
BODY = ("length-required", "too-large", "unsupported-media-type", "invalid")


def contract(
    responses: dict[int, Any],
    problems: tuple[str, ...],
    *,
    headers: Mapping[int, tuple[str, ...]] | None = None,
    parameters: tuple[Node, ...] = (),
    also: dict[int, Node] | None = None,
    **extra: Any,
) -> Node:
    """What a route's decorator takes: schemas by status, names of problems, the headers of each
    status, request headers; `also` is OpenAPI's own of a status, `extra` of the operation.
    """
    named = dict(headers or {})
    if NOT_MODIFIED in responses:
        named[NOT_MODIFIED], parameters = ("ETag",), (IF_NONE_MATCH, *parameters)
    kinds: dict[int, list[Kind]] = {}
    for name, kind in KINDS.items():
        if name in problems:
            kinds.setdefault(kind.status, []).append(kind)
            named[kind.status] = kind.headers
    about: dict[int, Node] = {
        status: {"description": " ".join(kind.title_in("en") for kind in found), **PROBLEM}
        for status, found in kinds.items()
    }
    for status, names in named.items():
        if names:
            told = {n: {"description": HEADERS[n], "schema": {"type": "string"}} for n in names}
            about.setdefault(status, {})["headers"] = told
    for status, node in (also or {}).items():
        about.setdefault(status, {}).update(node)
    return {
        "response": dict(sorted({**responses, **dict.fromkeys(kinds)}.items())),
        "openapi_extra": {"parameters": list(parameters), "responses": about, **extra},
    }


class StrictParser(Parser):
    """I-JSON (RFC 7493): UTF-8, each name once, whole characters, no NaN; nested as an honest body
    is. What two readers could understand differently is refused: what this raises is 400.
    """

    def parse_body(self, request: HttpRequest) -> Any:
        if len(request.body) < int(request.META.get("CONTENT_LENGTH") or 0):
            raise ValueError("the connection ended before the body")
        text = request.body.decode()
        return json.loads(text, parse_constant=_no_number, object_pairs_hook=_named_once)


def _no_number(name: str) -> None:
    raise ValueError(name)


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    "".join(found).encode()  # raises UnicodeEncodeError
    return found


class AgendaApi(NinjaAPI):
    @cached_property
    def contract(self) -> Node:
        """The schema as it is served."""
        written = self.get_openapi_schema(path_prefix="/api/v1/")
        problem = ProblemOut.model_json_schema(
            ref_template=REF + "{model}", schema_generator=NinjaGenerateJsonSchema
        )
        written.add_schema_definitions({**problem.pop("$defs"), "ProblemOut": problem})
        schema: Node = json.loads(json.dumps(written))
        schemas = schema["components"]["schemas"]
        # Ninja also lists what it has made parameters of.
        for name in [n for n in schemas if f'"{REF}{n}"' not in json.dumps(schema)]:
            del schemas[name]
        for operation in (o for path in schema["paths"].values() for o in path.values()):
            for parameter in operation["parameters"]:
                parameter["schema"] = _sendable(parameter["schema"])
        return schema

    @cached_property
    def french_contract(self) -> Node:
        """The same for who reads French: every sentence, and no name that programs read."""
        texts: dict[str, str] = FRENCH["contract"]
        titles = {kind.title_in("en"): kind.title_in("fr") for kind in KINDS.values()}

        def told(text: str) -> str:
            if text in texts:
                return texts[text]
            for english, french in titles.items():  # a status may have several problems
                text = text.replace(english, french)
            return text

        def read(node: Any) -> Any:
            if isinstance(node, list):
                return [read(one) for one in node]
            if not isinstance(node, dict):
                return node
            return {
                name: told(one) if name in PROSE and isinstance(one, str) else read(one)
                for name, one in node.items()
            }

        schema: Node = read(self.contract)
        return schema

    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__


def _sendable(schema: Node) -> Node:
    """What an address can carry: a parameter is left out, and never null or empty."""
    kept = {name: value for name, value in schema.items() if name != "anyOf"}
    if not kept.get("default"):
        kept.pop("default", None)
    return next((kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}), {}) | kept
