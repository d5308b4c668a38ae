"""Does the database have the tables, columns, indexes and constraints that the models say? For
`make drift`: a line for each difference, nothing when there is none. Changes nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand
from django.db import connection, models

# As MariaDB names what Django calls otherwise.
TYPES = {"integer": "int", "bool": "tinyint(1)", "double precision": "double", "json": "longtext"}
MIGRATIONS = "django_migrations"  # Django's own, of no model

# By table each, of this database alone.
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
COLUMNS = """
SELECT table_name, column_name, column_type, is_nullable
FROM information_schema.columns WHERE table_schema = DATABASE()"""
INDEXES = """
SELECT table_name, index_name, non_unique, column_name
FROM information_schema.statistics WHERE table_schema = DATABASE()
ORDER BY table_name, index_name, seq_in_index"""
REFERENCES = """
SELECT table_name, column_name, referenced_table_name, referenced_column_name
FROM information_schema.key_column_usage
WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL"""
CHECKS = """
SELECT table_name, constraint_name
FROM information_schema.check_constraints WHERE constraint_schema = DATABASE()"""

Index = tuple[tuple[str, ...], bool]
"""Its columns in order, and whether a value may stand there once only."""


class Command(BaseCommand):
    help = __doc__ or ""

    def handle(self, *_: Any, **__: Any) -> None:
        for line in differences():
            self.stdout.write(line)


def differences() -> Iterator[str]:
    wanted = {m._meta.db_table: m for m in apps.get_models(include_auto_created=True) if is_kept(m)}
    found = {name for (name,) in ask(TABLES)}
    for table in sorted(found - wanted.keys() - {MIGRATIONS}):
        yield f"table {table}: is there, and no model says so"
    columns, indexes = columns_found(), indexes_found()
    references, checks = by_table(REFERENCES), by_table(CHECKS)
    for table, model in sorted(wanted.items()):
        if table not in found:
            yield f"table {table}: is missing"
            continue
        yield from of_columns(table, model, columns[table])
        yield from of_indexes(table, model, indexes[table])
        names = {name for (name,) in checks[table]}
        yield from of_constraints(table, model, references[table], names)


def is_kept(model: type[models.Model]) -> bool:
    return model._meta.managed and not model._meta.proxy and not model._meta.swapped


def ask(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def by_table(query: str) -> dict[str, set[tuple[str, ...]]]:
    found: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for table, *row in ask(query):
        found[table].add(tuple(row))
    return found


def of_columns(table: str, model: type[models.Model], found: dict[str, str]) -> Iterator[str]:
    wanted = {f.column: column_of(f) for f in model._meta.local_concrete_fields if f.column}
    # A table between two models: Django's migrations number its rows in their own way.
    free = {model._meta.pk.column} if model._meta.auto_created and model._meta.pk else set()
    for name in sorted((wanted.keys() | found.keys()) - free):
        if wanted.get(name) != found.get(name):
            has, wants = found.get(name, "not there"), wanted.get(name, "not there")
            yield f"column {table}.{name}: is {has}, the models say {wants}"


def column_of(field: models.Field[Any, Any]) -> str:
    """As `columns_found` writes one."""
    kind = (field.db_type(connection) or "").removesuffix(" AUTO_INCREMENT")
    base, *more = kind.split(" UNSIGNED")
    return f"{TYPES.get(base, base)}{' unsigned' if more else ''}{' null' if field.null else ''}"


def columns_found() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for table, name, kind, nullable in ask(COLUMNS):
        # Its width says nothing of a number; that of one digit says that it is a bool.
        plain = re.sub(r"^(int|bigint|smallint|mediumint)\(\d+\)", r"\1", kind)
        found[table][name] = plain + (" null" if nullable == "YES" else "")
    return found


def of_indexes(table: str, model: type[models.Model], found: set[Index]) -> Iterator[str]:
    wanted = set(indexes_of(model))
    foreign = {f.column for f in model._meta.local_concrete_fields if f.remote_field and f.column}
    for columns, is_unique in sorted(wanted - found):
        yield f"index of {table} on {', '.join(columns)}{' (unique)' * is_unique}: is missing"
    # MariaDB wants some index for a foreign key: which one is its own affair.
    extra = (one for one in found - wanted if one[1] or len(one[0]) > 1 or one[0][0] not in foreign)
    for columns, is_unique in sorted(extra):
        yield f"index of {table} on {', '.join(columns)}{' (unique)' * is_unique}: no model says so"
    for column in sorted(foreign - {columns[0] for columns, _ in found}):
        yield f"index of {table} on {column}: is missing"


def indexes_of(model: type[models.Model]) -> Iterator[Index]:
    meta = model._meta

    def columns(names: Any) -> tuple[str, ...]:
        return tuple(str(meta.get_field(name.lstrip("-")).column) for name in names)  # type: ignore[union-attr]

    for field in meta.local_concrete_fields:
        if field.column and (field.primary_key or field.unique):
            yield (field.column,), True
        elif field.column and vars(field)["db_index"] and not field.remote_field:
            yield (field.column,), False
    for together in meta.unique_together:
        yield columns(together), True
    for index in meta.indexes:
        yield columns(index.fields), False
    for constraint in meta.constraints:
        if isinstance(constraint, models.UniqueConstraint):
            yield columns(constraint.fields), True


def indexes_found() -> dict[str, set[Index]]:
    named: dict[tuple[str, str, bool], list[str]] = defaultdict(list)
    for table, name, is_open, column in ask(INDEXES):
        named[table, name, not is_open].append(column)
    found: dict[str, set[Index]] = defaultdict(set)
    for (table, _, is_unique), columns in named.items():
        found[table].add((tuple(columns), is_unique))
    return found


def of_constraints(
    table: str, model: type[models.Model], references: set[tuple[str, ...]], checks: set[str]
) -> Iterator[str]:
    fields = [f for f in model._meta.local_concrete_fields if f.column]
    wanted: set[tuple[str, ...]] = {
        (str(f.column), f.related_model._meta.db_table, str(f.target_field.column))
        for f in fields
        if isinstance(f, models.ForeignKey)  # each with its constraint in the database
    }
    for column, to, target in sorted(wanted - references):
        yield f"foreign key of {table}.{column} to {to}.{target}: is missing"
    for column, to, target in sorted(references - wanted):
        yield f"foreign key of {table}.{column} to {to}.{target}: no model says so"
    named = {c.name for c in model._meta.constraints if isinstance(c, models.CheckConstraint)}
    for name in sorted(named - checks):
        yield f"check {name} of {table}: is missing"
    # Those of a column, such as that it holds JSON, have its name.
    for name in sorted(checks - named - {str(f.column) for f in fields}):
        yield f"check {name} of {table}: no model says so"
