"""`migrate`, which may be killed anywhere and run again.

MariaDB commits each change of a table at once, and Django notes a migration only after its last
change. Between the two lies a moment in which the next `migrate` would fail with "Duplicate column"
for ever. Here what is in place already is passed over. Migrations of ours only add (a test sees to
that), so what is in place is what the migration wanted.
"""

from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate
from django.db import DatabaseError, connection
from django.db.backends.mysql.schema import DatabaseSchemaEditor

# MariaDB's numbers. This table, column, index, check is there already; this column to change, this
# column or index to remove, this table to remove is there no longer.
DONE_ALREADY = {1050, 1060, 1061, 1826, 1054, 1091, 1051}
# "Can't create table", for a foreign key whose name is taken.
CANNOT_CREATE, NAME_TAKEN = 1005, "errno: 121"


class RepeatableSchemaEditor(DatabaseSchemaEditor):
    def execute(self, sql: Any, params: Any = ()) -> None:
        try:
            super().execute(sql, params)
        except DatabaseError as error:
            if not is_done_already(error):
                raise


def is_done_already(error: DatabaseError) -> bool:
    number, text = (*error.args, "", "")[:2]
    return number in DONE_ALREADY or (number == CANNOT_CREATE and NAME_TAKEN in str(text))


class Command(migrate.Command):
    help = "Bring the schema up to date; after a run that was killed, go on where it stopped."

    def handle(self, *arguments: Any, **options: Any) -> None:
        connection.SchemaEditorClass = RepeatableSchemaEditor
        super().handle(*arguments, **options)
