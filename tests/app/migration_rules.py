"""What a migration of ours may do, so that the release before it serves on the schema after it.

Pure: an operation goes in, what is wrong with it comes out.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import migrations, models
from django.db.migrations.operations.base import Operation

ADDS = (migrations.CreateModel, migrations.AddIndex)
# They change what Django knows of a model and nothing in the database.
STATE_ONLY = (
    migrations.AlterModelOptions,
    migrations.AlterModelManagers,
)
WHY = {
    "AddConstraint": "the release before may write what it forbids",
    "RunPython": "data are changed by a management command that may be run again",
    "RunSQL": "data are changed by a management command that may be run again",
}
HOW = "split it: add now, use it, and remove what is old two releases later"


def problems(operations: Sequence[Operation], *, initial: bool) -> list[str]:
    """One line a mistake; empty when the migration only adds, in one step that may be repeated.

    MariaDB commits each step at once: of two steps, a killed run may leave the first done, and no
    later run could tell. An `initial` migration creates tables that no release uses yet.
    """
    many = [] if initial or len(operations) <= 1 else [f"{len(operations)} operations; one a file"]
    return many + [line for operation in operations for line in problems_of(operation)]


def problems_of(operation: Operation) -> list[str]:
    match operation:
        case migrations.AddField():
            return _added(operation)
        case migrations.AlterField():
            return _altered(operation)
        case migrations.SeparateDatabaseAndState():
            return [line for part in operation.database_operations for line in problems_of(part)]
        case _ if isinstance(operation, (*ADDS, *STATE_ONLY)):
            return []
    kind = type(operation).__name__
    return [f"{kind}: {WHY.get(kind, f'takes something from the release before; {HOW}')}"]


def _added(operation: migrations.AddField) -> list[str]:
    """The release before names no such column when it inserts a row."""
    field = operation.field
    has_value = field.null or field.db_default is not models.NOT_PROVIDED or field.many_to_many
    name = f"{operation.model_name}.{operation.name}"
    return [] if has_value else [f"AddField {name}: give it null=True or db_default="]


def _altered(operation: migrations.AlterField) -> list[str]:
    """Whether a field grows or shrinks is not to be seen here: who checked it says so by name."""
    return [f"AlterField {operation.model_name}.{operation.name}: not known to only widen; {HOW}"]
