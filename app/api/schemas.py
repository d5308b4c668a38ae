"""What travels: strict about what comes in, plain about what goes out."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic import StrictBool as Flag
from pydantic_core import PydanticCustomError

from agenda.clock import LAST_INSTANT
from agenda.models import NOTES_LENGTH_MAX, TITLE_LENGTH_MAX
from agenda.printable import WEIGHTLESS, says_something
from agenda.repeat import NAMED, RULE_PATTERN, is_rule
from agenda.tags import TAG_LENGTH_MAX, TAGS_MAX, tag_name
from speech.sentences import Speed

RFC_3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:[0-5]\d)", re.ASCII
)
# All but tab, line feed and carriage return.
CONTROLS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
CONTROL = re.compile(f"[{CONTROLS}]")
DIGITS = re.compile(r"-?\d+(?:\.0+)?", re.ASCII)
MINUTES_A_YEAR = 366 * 24 * 60


def _marks() -> str:
    """The accents and vowel signs of the common plane, as ranges: generators take \\p{M} for whole
    blocks, with what is not a character yet.
    """
    points = {point for point in range(0x10000) if unicodedata.category(chr(point))[0] == "M"}
    firsts = sorted(point for point in points if point - 1 not in points)
    lasts = sorted(point for point in points if point + 1 not in points)
    return "".join(
        rf"\u{first:04x}-\u{last:04x}" for first, last in zip(firsts, lasts, strict=True)
    )


# As agenda.tags.tag_name reads it, for whoever reads the contract.
TAG_PATTERN = rf"^#?[\p{{L}}\p{{N}}][\p{{L}}\p{{N}}{_marks()}_-]{{0,{TAG_LENGTH_MAX - 1}}}$"


def _instant(value: Any) -> datetime:
    """An instant as RFC 3339 writes it, with its offset. Numbers are not instants here.

    What is finer than a microsecond, as several languages write it, is cut off.
    """
    if not isinstance(value, str) or not RFC_3339.fullmatch(value):
        raise PydanticCustomError("instant", "not an RFC 3339 date-time with an offset")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise PydanticCustomError("instant", "no such instant") from error


def _writable(value: str) -> str:
    """JSON can carry half a character ("\\ud800"), which no database can keep, and characters
    that no calendar, page or voice can pass on.
    """
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise PydanticCustomError("text", "half a character") from error
    if CONTROL.search(value):
        raise PydanticCustomError("control", "a control character")
    return value


def _said(value: str) -> str:
    if not says_something(value):
        raise PydanticCustomError("blank", "nothing but spaces")
    return value


def _whole(value: Any) -> Any:
    """60.0 is a whole number too, as JSON Schema has it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _digits(value: Any) -> Any:
    """A whole number in an address has one spelling: no sign, no space, no underscore."""
    if isinstance(value, str) and not DIGITS.fullmatch(value):
        raise PydanticCustomError("int_parsing", "no digits")
    return value


def _true_or_false(value: Any) -> Any:
    if isinstance(value, str) and value not in {"true", "false"}:
        raise PydanticCustomError("bool_parsing", "neither true nor false")
    return value


def _tag(value: str) -> str:
    if value != value.strip() or tag_name(value) is None:
        raise PydanticCustomError("tag", "no tag")
    return value


def _repeat(value: str) -> str:
    if value not in NAMED and not is_rule(value):
        raise PydanticCustomError("repeat", "neither a name nor a rule")
    return value


def _without_default(schema: dict[str, Any]) -> None:
    """A field that may be left out, and never be null: its default is no value to send."""
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "description": f"RFC 3339, with an offset, up to {LAST_INSTANT:%Y-%m-%d}.",
            "examples": ["2040-03-12T18:00:00+01:00"],
        }
    ),
]
Title = Annotated[
    str,
    Field(
        strict=True,
        min_length=1,
        max_length=TITLE_LENGTH_MAX,
        description="Spaces are made single.",
        json_schema_extra={"pattern": rf"^[^{CONTROLS}]*[^\s{WEIGHTLESS}][^{CONTROLS}]*$"},
        examples=["Rendre le TP3"],
    ),
    AfterValidator(_writable),
    AfterValidator(_said),
]
Notes = Annotated[
    str,
    Field(
        strict=True,
        max_length=NOTES_LENGTH_MAX,
        json_schema_extra={"pattern": f"^[^{CONTROLS}]*$"},
        examples=["Salle B2.04"],
    ),
    AfterValidator(_writable),
]
Tag = Annotated[
    str,
    Field(
        strict=True,
        max_length=TAG_LENGTH_MAX + 1,
        description='Letters, digits, "-" and "_", 30 at most, with or without "#".',
        json_schema_extra={"pattern": TAG_PATTERN},
        examples=["projet"],
    ),
    AfterValidator(_writable),
    AfterValidator(_tag),
]
Tags = Annotated[list[Tag], Field(strict=True, max_length=TAGS_MAX)]
PriorityName = Literal["normal", "important", "urgent"]
Repeats = Annotated[
    str,
    Field(strict=True),
    AfterValidator(_repeat),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": list(NAMED)},
                {"type": "string", "pattern": RULE_PATTERN},
            ],
            "description": "A name, or a rule of RFC 5545; its day and time are the deadline's.",
            "examples": ["weekly", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO"],
        }
    ),
]
Private = Annotated[Flag, Field(description="Its words never leave the site: no voice of Google.")]


class In(Schema):
    """What clients send: no field is ignored, none is converted."""

    model_config = ConfigDict(extra="forbid")


class TaskIn(In):
    """A whole task, to create or to replace one."""

    title: Title
    deadline_at: Instant
    notes: Notes = ""
    private: Private = False
    tags: Tags = []
    priority: PriorityName = "normal"
    repeat: Repeats | None = None


class TaskPatch(TaskIn):
    """What shall change; what is left out stays (RFC 7396). Only `repeat` may be null."""

    model_config = ConfigDict(json_schema_extra=_without_default)

    title: Title = ""
    deadline_at: Instant = Field(default=LAST_INSTANT)


class Keep(In):
    """How much longer, or until when."""

    minutes: Annotated[
        int, Field(strict=True, ge=1, le=MINUTES_A_YEAR, examples=[60]), BeforeValidator(_whole)
    ] = 1440
    deadline_at: Instant | None = Field(
        default=None, description="At least until then; `minutes` says nothing then."
    )


class TaskOut(Schema):
    id: str = Field(json_schema_extra={"format": "uuid"})
    title: str
    notes: str
    deadline_at: str = Field(json_schema_extra={"format": "date-time"})
    private: bool
    tags: list[str]
    priority: PriorityName
    repeat: Repeats | None = Field(description="null: it does not come again.")
    created_at: str = Field(json_schema_extra={"format": "date-time"})


class TaskPage(Schema):
    items: list[TaskOut]
    next: str | None = Field(description="The cursor of the next page; null on the last.")


class Dump(Schema):
    """Every scheduled task, soonest first."""

    items: list[TaskOut]


class TokenOut(Schema):
    id: str = Field(json_schema_extra={"format": "uuid"})
    name: str
    scopes: list[Literal["read", "create", "write"]]
    hint: str = Field(description="Its last letters; nobody can show the rest again.")
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    expires_at: str = Field(json_schema_extra={"format": "date-time"})
    last_used_at: str | None = Field(description="To the minute.")


class TokenList(Schema):
    items: list[TokenOut]


class Room(Schema):
    used: int
    most: int


class Quota(Schema):
    """Beyond `most` a task or a token is refused."""

    tasks: Room
    bytes: Room = Field(description="Of titles and notes, in UTF-8.")
    tokens: Room


class Me(Schema):
    id: str = Field(json_schema_extra={"format": "uuid"})
    username: str
    language: str
    time_zone: str
    voice_speed: Speed
    announce_minutes: list[int] = Field(
        description="How long before a deadline the agenda's pages say so; 0: at the deadline."
    )
    voice: Literal["google", "local", "off"]
    token: TokenOut
    quota: Quota


class Health(Schema):
    status: Literal["ok"]


class Readiness(Schema):
    """ "ok", or what is missing, for each check."""

    database: str
    speech: str


class FaultOut(Schema):
    detail: str
    pointer: str | None = Field(default=None, description="Where in the body (RFC 6901).")
    parameter: str | None = Field(default=None, description="Or which parameter or header.")


class ProblemOut(Schema):
    """RFC 9457."""

    type: str = Field(description="Stable: decide by this, or by the status.")
    title: str = Field(description="For people, in the language of Accept-Language.")
    status: int
    detail: str | None = None
    errors: list[FaultOut] | None = None


class Filters(In):
    """Which tasks, in which order, how many at once."""

    q: Annotated[
        str, Field(min_length=1, max_length=100, description="Words of the title or the notes.")
    ] = ""
    deadline_from: Instant | None = Field(default=None, description="Not before this instant.")
    deadline_until: Instant | None = Field(default=None, description="Not after this instant.")
    private: Annotated[bool, BeforeValidator(_true_or_false)] | None = Field(
        default=None, description="Only those, or only the others."
    )
    tag: Annotated[
        str, Field(min_length=1, max_length=TAG_LENGTH_MAX + 1, description="Carrying this tag.")
    ] = ""
    priority: PriorityName | None = Field(default=None, description="This or a higher one.")
    sort: Literal["deadline", "-deadline", "created", "-created"] = "deadline"
    limit: Annotated[int, Field(ge=1, le=200), BeforeValidator(_digits)] = 50
    cursor: Annotated[str, Field(max_length=200, description="`next` of the page before.")] = ""


class DumpFormat(In):
    format: Literal["", "json", "ndjson", "csv", "ics"] = ""
