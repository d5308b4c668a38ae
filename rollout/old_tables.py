"""The tables of an old database, from whatever its keeper can give. Pure but for reading SQLite.

What is known: a file of SQLite and its dump, a dump of MySQL or MariaDB (mysqldump, phpMyAdmin), a
plain dump of PostgreSQL, and JSON of Django's dumpdata.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from provision.errors import OperatorError

Row = dict[str, Any]
Tables = dict[str, list[Row]]
"""Table -> rows; a row is column -> value: text, number, None, of JSON also a list."""

SQLITE_FILE = b"SQLite format 3\0"
KNOWN = (
    "give a file of SQLite or its .dump, a plain dump of MySQL, MariaDB or PostgreSQL "
    "(not --format=custom), or `manage.py dumpdata` as JSON"
)
NAME = r"[`\"]?(?:\w+[`\"]?\.[`\"]?)?(?P<table>\w+)[`\"]?"
INSERT = re.compile(
    rf"^INSERT (?:IGNORE )?INTO {NAME}\s*(?:\((?P<columns>[^)]*)\))?\s*VALUES\s*", re.M | re.I
)
CREATE = re.compile(rf"^CREATE TABLE (?:IF NOT EXISTS )?{NAME}\s*\((?P<body>.*?)^\)", re.M | re.S)
COLUMN = re.compile(r"^\s+`(\w+)`", re.M)
COPY = re.compile(rf"^COPY {NAME} \((?P<columns>[^)]*)\) FROM stdin;\n", re.M)
VALUE = re.compile(
    r"\s*(?:_\w+\s*)?(?:'(?P<text>(?:[^'\\]|\\.|'')*)'|(?P<null>NULL)|0x(?P<hex>[0-9A-F]+)"
    r"|(?P<number>[-+0-9.e]+)|(?P<truth>true|false))\s*(?P<end>[,)])",
    re.S | re.I,
)
ESCAPED = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a", "v": "\v", "f": "\f"}


def tables_of(file: Path) -> Tables:
    """Raises OperatorError for what cannot be read or understood."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise OperatorError(
            f"{file} cannot be read: {error.strerror}", next_step=f"FROM= {KNOWN}"
        ) from error
    try:
        if content.startswith(SQLITE_FILE):
            found = _of_sqlite(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True))
        else:
            found = _of_text(content.decode())
    except (UnicodeDecodeError, ValueError, sqlite3.Error) as error:
        raise OperatorError(
            f"{file} is not understood: {str(error)[:200]}", next_step=KNOWN
        ) from error
    if not any(found.values()):
        raise OperatorError(f"{file} has no rows that are understood", next_step=KNOWN)
    return found


def _of_text(text: str) -> Tables:
    if text.lstrip("\ufeff").lstrip().startswith("["):
        return _of_json(json.loads(text.lstrip("\ufeff")))
    if COPY.search(text):
        return _of_postgresql(text)
    if re.search(r"^(PRAGMA foreign_keys|BEGIN TRANSACTION;)", text, re.M):
        database = sqlite3.connect(":memory:")
        # A dump makes tables and rows, and reaches no other file.
        database.set_authorizer(
            lambda action, *_: (
                sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK
            )
        )
        database.executescript(text)
        return _of_sqlite(database)
    return _of_mysql(text)


def _of_sqlite(database: sqlite3.Connection) -> Tables:
    database.row_factory = sqlite3.Row
    names = [
        row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type='table'")
    ]
    quoted = {name: name.replace('"', '""') for name in names}
    return {
        name: [dict(row) for row in database.execute(f'SELECT * FROM "{quoted[name]}"')]  # noqa: S608 - a name of its own, quoted
        for name in names
    }


def _of_json(objects: list[Any]) -> Tables:
    found: Tables = {}
    for one in objects:
        if not isinstance(one, dict) or not {"model", "fields"} <= one.keys():
            raise ValueError("this JSON is not what `manage.py dumpdata` writes")
        key = {"id": one["pk"]} if "pk" in one else {}
        found.setdefault(str(one["model"]), []).append({**key, **one["fields"]})
    return found


def _of_postgresql(text: str) -> Tables:
    found: Tables = {}
    for head in COPY.finditer(text):
        columns = [name.strip(' "') for name in head["columns"].split(",")]
        body = text[head.end() : text.index("\n\\.", head.end() - 1)]
        rows = [line.split("\t") for line in body.split("\n") if line]
        found.setdefault(head["table"], []).extend(
            dict(zip(columns, map(_copied, row), strict=True)) for row in rows
        )
    return found


def _copied(text: str) -> str | None:
    return None if text == r"\N" else re.sub(r"\\(.)", _unescaped, text)


def _unescaped(found: re.Match[str]) -> str:
    return "'" if found[0] == "''" else ESCAPED.get(found[1], found[1])


def _of_mysql(text: str) -> Tables:
    columns = {head["table"]: COLUMN.findall(head["body"]) for head in CREATE.finditer(text)}
    found: Tables = {name: [] for name in columns}
    at = 0
    while head := INSERT.search(text, at):
        table = head["table"]
        named = [name.strip(' `"') for name in (head["columns"] or "").split(",") if name.strip()]
        rows = list(_rows(text, head.end()))
        at = rows[-1][0] if rows else head.end()
        names = named or columns.get(table, [])
        found.setdefault(table, []).extend(dict(zip(names, row, strict=True)) for _, row in rows)
    return found


def _rows(text: str, at: int) -> Iterator[tuple[int, list[Any]]]:
    """Each row of one INSERT, and where it ends."""
    while text[at : at + 1] == "(":
        row, at, end = [], at + 1, ","
        while end == ",":
            value = VALUE.match(text, at)
            if value is None:
                raise ValueError(f"a value that is not understood: {text[at : at + 20]!r}")
            row.append(_value(value))
            at, end = value.end(), value["end"]
        yield at, row
        if not (between := re.compile(r"\s*,\s*").match(text, at)):
            return
        at = between.end()


def _value(found: re.Match[str]) -> Any:
    if found["text"] is not None:
        return re.sub(r"\\(.)|''", _unescaped, found["text"], flags=re.S)
    if found["null"]:
        return None
    if found["hex"]:
        return bytes.fromhex(found["hex"]).decode(errors="replace")
    if found["truth"]:
        return found["truth"].lower() == "true"
    number = found["number"]
    return int(number) if re.fullmatch(r"[-+]?\d+", number) else float(number)
