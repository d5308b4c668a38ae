"""The people and tasks of an old agenda, into ours: `make import FROM=dump.sql MAP=mapping.yml`.

    python -m rollout.imports --env ENV --from FILE [--map FILE]

Without a mapping one is proposed, from the tables that are there. With one, the import is tried in
a transaction that is taken back, its counts are shown, and it is asked for. Run again, it adds
what was not there yet, and nothing that somebody erased since.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from provision import files
from provision.arguments import Parser
from provision.environment import LAB
from provision.errors import OperatorError, failing_as
from rollout.backups import agreed
from rollout.old_tables import Row, Tables, tables_of
from rollout.reach import Hosts

WITHIN_S = 3600
# What old agendas call things: the first that is there is proposed.
USUAL = {
    "owner": ("user_id", "owner_id", "author_id", "created_by_id", "user", "owner", "utilisateur"),
    "title": ("title", "titre", "name", "nom", "summary", "label"),
    "deadline": (
        *("deadline", "deadline_at", "due", "due_date", "due_at", "date_limite", "echeance"),
        *("end", "end_date", "date_fin", "date"),
    ),
    "notes": ("notes", "note", "description", "content", "details", "body", "texte"),
    "done": ("done", "is_done", "completed", "is_completed", "finished", "termine", "fait"),
    "priority": ("priority", "priorite"),
    "tags": ("tags", "category", "categorie"),
}
PEOPLE = ("username", "password")
OPTIONAL = ("email", "first_name", "last_name", "is_active", "date_joined")


class Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def columns(self) -> dict[str, str]:
        """Our field -> the old column, of those that are named."""
        named = {name: value for name, value in self if name in FIELDS and value}
        return {name: str(value) for name, value in named.items()}


class Users(Declared):
    """The table of people, and its columns."""

    table: str
    key: str = "id"
    username: str = "username"
    password: str = "password"  # noqa: S105 - a column's name
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    is_active: str = ""
    date_joined: str = ""


class Tasks(Declared):
    """The table of tasks, its columns, and what becomes of some of their values."""

    table: str
    key: str = "id"
    owner: str
    title: str
    deadline: str
    notes: str = ""
    # Where it holds something that is true, the task is over.
    done: str = ""
    priority: str = ""
    tags: str = ""
    # Old value -> 0 normal, 1 important, 2 urgent; others are normal.
    priorities: dict[str, int] = {}
    # The time of day of a deadline that is a date alone.
    day_ends: time = time(23, 59)
    # The deadline of those without one, on the wall clock; they are left out while there is none.
    otherwise: datetime | None = None


FIELDS = {"key", "owner", *USUAL, *PEOPLE, *OPTIONAL}


class Plan(Declared):
    """A mapping file."""

    # What is imported keeps an identity made of this: one name for one old agenda, for ever.
    name: str
    # Of moments that say none. Django's own are UTC where USE_TZ is on.
    zone: str = "UTC"
    users: Users
    tasks: Tasks


def read_plan(file: Path, tables: Tables) -> Plan:
    """Raises OperatorError with every mistake at once."""
    try:
        plan = Plan.model_validate(yaml.safe_load(file.read_text("utf-8")))
        ZoneInfo(plan.zone)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise mistaken(file, wrong) from error
    except (OSError, ValueError, KeyError, yaml.YAMLError) as error:
        raise mistaken(file, [" ".join(str(error).split())[:200]]) from error
    wrong = []
    for name, part in (("users", plan.users), ("tasks", plan.tasks)):
        rows = tables.get(part.table)
        if not rows:
            wrong.append(f"{name}.table: no rows in '{part.table}'; there are: {with_rows(tables)}")
            continue
        for field, column in part.columns().items():
            if column not in rows[0]:
                known = ", ".join(rows[0])
                wrong.append(f"{name}.{field}: {part.table} has no column '{column}' ({known})")
    if wrong:
        raise mistaken(file, wrong)
    return plan


def mistaken(file: Path, wrong: list[str]) -> OperatorError:
    return OperatorError(
        "\n  ".join(f"{file}: {line}" for line in wrong),
        next_step=f"correct {file} (docs/operations.md, Import)",
    )


def with_rows(tables: Tables) -> str:
    return ", ".join(f"{name} ({len(rows)})" for name, rows in sorted(tables.items()) if rows)


def proposed(tables: Tables, name: str) -> str:
    """A mapping file, of what looks like people and tasks; what was not found says "?"."""
    filled = {table: rows[0].keys() for table, rows in tables.items() if rows}
    people = next((t for t, columns in filled.items() if {*PEOPLE} <= columns), "?")

    def fit(table: str) -> int:
        return sum(any(c in filled[table] for c in names) for names in USUAL.values())

    tasks = max((table for table in filled if table != people), key=fit, default="?")
    found = filled.get(people, {}.keys())
    users = {"table": people, **{column: column for column in OPTIONAL if column in found}}
    columns = filled.get(tasks, {}.keys())
    named = {
        field: next((column for column in names if column in columns), "")
        for field, names in USUAL.items()
    }
    needed = {field: named[field] or "?" for field in ("owner", "title", "deadline")}
    also = {field: column for field, column in named.items() if column and field not in needed}
    told = {
        "name": name,
        "zone": "UTC",
        "users": users,
        "tasks": {"table": tasks, **needed, **also},
    }
    return (
        "# What becomes of an old agenda: docs/operations.md, Import. Tables that have rows:\n"
        f"#   {with_rows(tables)}\n{yaml.safe_dump(told, sort_keys=False, allow_unicode=True)}"
    )


def moment(value: Any, plan: Plan) -> str | None:
    """An instant as ISO 8601, of a date alone without a zone: that is a day on people's wall
    clock, also where instants are kept in UTC. None for none, and for what is no moment.
    """
    text = str(value or "").strip().replace(" ", "T", 1)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if len(text) == len("2026-11-30"):
        return datetime.combine(found.date(), plan.tasks.day_ends).isoformat()
    zoned = found if found.tzinfo else found.replace(tzinfo=ZoneInfo(plan.zone))
    return zoned.astimezone(UTC).isoformat()


def is_true(value: Any) -> bool:
    return str(value or "").lower() not in {"", "0", "f", "false", "no", "n"}


def people_of(rows: list[Row], columns: Mapping[str, str], plan: Plan) -> Iterator[dict[str, Any]]:
    for row in rows:
        one = {field: row[column] for field, column in columns.items()}
        one["is_active"] = is_true(one.get("is_active", True))
        one["date_joined"] = moment(one.get("date_joined"), plan)
        yield {
            field: str(value) if field in {"key", *PEOPLE, *OPTIONAL[:3]} else value
            for field, value in one.items()
            if value is not None
        }


def tasks_of(rows: list[Row], columns: Mapping[str, str], plan: Plan) -> Iterator[dict[str, Any]]:
    otherwise = plan.tasks.otherwise.isoformat() if plan.tasks.otherwise else None
    for row in rows:
        one = {field: row[column] for field, column in columns.items()}
        # Of dumpdata --natural-foreign: the owner by name.
        owner = one["owner"][0] if isinstance(one["owner"], list) and one["owner"] else one["owner"]
        tags = one.get("tags") or ""
        yield {
            "key": str(one["key"]),
            "owner": str(owner),
            "title": str(one["title"] or ""),
            "notes": str(one.get("notes") or ""),
            "deadline_at": moment(one["deadline"], plan) or otherwise,
            "is_done": is_true(one.get("done")),
            "priority": plan.tasks.priorities.get(str(one.get("priority")), 0),
            "tags": tags if isinstance(tags, list) else str(tags).replace(",", " ").split(),
        }


def records(plan: Plan, tables: Tables) -> dict[str, Any]:
    """What agenda_import reads."""
    users, tasks = plan.users, plan.tasks
    return {
        "name": plan.name,
        "users": list(people_of(tables[users.table], users.columns(), plan)),
        "tasks": list(tasks_of(tables[tasks.table], tasks.columns(), plan)),
    }


def shown(told: Mapping[str, Any]) -> str:
    """What agenda_import told, for people."""
    lines = []
    for what in ("accounts", "tasks"):
        counts: dict[str, int] = told[what]
        there = sum(counts.values())
        each = ", ".join(f"{number} {why}" for why, number in counts.items() if number)
        lines.append(f"  {what:9} {there} in the old agenda: {each or 'none'}")
    lines += [f"  {line}" for line in told["remarks"]]
    return "\n".join(lines)


def told_by(hosts: Hosts, given: Mapping[str, Any], *, is_dry: bool) -> dict[str, Any]:
    command = ["agenda-manage", "agenda_import", *(["--dry-run"] if is_dry else [])]
    ended = hosts.run(
        hosts.first("web"), *command, stdin=json.dumps(given), check=False, timeout_s=WITHIN_S
    )
    try:
        told: dict[str, Any] = json.loads(ended.stdout)
    except ValueError as error:
        raise OperatorError(
            f"the agenda took nothing: {' '.join(ended.stderr.split())[-300:]}",
            next_step="where it does not know agenda_import: make redeploy; else see "
            "make logs HOST=web",
        ) from error
    return told


def act(asked: argparse.Namespace) -> str:
    file = Path(asked.source).expanduser()
    tables = tables_of(file)
    suffix = "" if asked.env == LAB else f" ENV={asked.env}"
    if not asked.map:
        mapping = Path(f"{file.name}.mapping.yml")
        if not mapping.exists():
            files.write_atomically(mapping, proposed(tables, file.stem))
        raise OperatorError(
            f"no MAP= given; {mapping} is a proposal, from {with_rows(tables)}",
            next_step=f"read and correct it, then: make import{suffix} FROM={file} MAP={mapping}",
        )
    given = records(read_plan(Path(asked.map).expanduser(), tables), tables)
    with Hosts(asked.env) as hosts:
        before = told_by(hosts, given, is_dry=True)
        print(f"import {asked.env}, tried and taken back:\n{shown(before)}", flush=True)
        new = [before[what].get("new", 0) for what in ("accounts", "tasks")]
        if not any(new):
            return "nothing to add"
        agreed(asked, f"adds {new[0]} accounts and {new[1]} tasks to {asked.env}")
        after = told_by(hosts, given, is_dry=False)
    added = [after[what].get("new", 0) for what in ("accounts", "tasks")]
    if after["counted"] != added:
        raise OperatorError(
            f"{added} were to be added and {after['counted']} are there",
            next_step="make logs HOST=web; run the same again, which adds what is missing",
        )
    if added != new:
        print(shown(after))
    return f"{added[0]} accounts and {added[1]} tasks added, and counted there"


def main() -> None:
    parser = Parser(prog="python -m rollout.imports", description="An old agenda, into ours.")
    parser.add_environment(default="lab")
    parser.add("--from", make="FROM", dest="source", required=True, help="its dump")
    parser.add("--map", make="MAP", default="", help="which column becomes what")
    parser.add_answers()
    asked = parser.parse()
    with failing_as(f"import {asked.env}"):
        print(f"import {asked.env}: {act(asked)}")


if __name__ == "__main__":
    main()
