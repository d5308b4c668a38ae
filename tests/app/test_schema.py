"""`make drift` compares the live schema with the models: each way to differ is named."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

pytestmark = pytest.mark.django_db(transaction=True)


def told() -> list[str]:
    out = StringIO()
    call_command("agenda_schema", stdout=out)
    return out.getvalue().splitlines()


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        for statement in sql.split(";"):
            cursor.execute(statement)


def test_what_the_migrations_made_is_what_the_models_say():
    assert told() == []


def test_no_foreign_key_deletes_or_changes_rows_in_the_database():
    """Django finds what belongs to a row; a cluster's appliers do not agree on cascades."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, delete_rule, update_rule"
            " FROM information_schema.referential_constraints"
            " WHERE constraint_schema = DATABASE()"
        )
        rules = cursor.fetchall()
    assert len(rules) > 5
    assert {rule for _table, *both in rules for rule in both} <= {"RESTRICT", "NO ACTION"}


INDEX = "task_by_removal ON task"
DIFFERENCES = {
    "a dropped index": (
        f"DROP INDEX {INDEX}",
        f"CREATE INDEX {INDEX} (removed_at)",
        "index of task on removed_at: is missing",
    ),
    "an index more": (
        "CREATE INDEX somebodys ON task (title)",
        "DROP INDEX somebodys ON task",
        "index of task on title: no model says so",
    ),
    "an index that is unique now": (
        f"DROP INDEX {INDEX}; CREATE UNIQUE INDEX {INDEX} (removed_at)",
        f"DROP INDEX {INDEX}; CREATE INDEX {INDEX} (removed_at)",
        "index of task on removed_at (unique): no model says so",
    ),
    "a table more": (
        "CREATE TABLE somebodys (id INT)",
        "DROP TABLE somebodys",
        "table somebodys: is there, and no model says so",
    ),
    "a table that is gone": (
        "RENAME TABLE audit_line TO elsewhere",
        "RENAME TABLE elsewhere TO audit_line",
        "table audit_line: is missing",
    ),
    "a column more": (
        "ALTER TABLE task ADD somebodys INT NULL",
        "ALTER TABLE task DROP somebodys",
        "column task.somebodys: is int null, the models say not there",
    ),
    "a column of another type": (
        "ALTER TABLE task MODIFY title VARCHAR(77) NOT NULL",
        "ALTER TABLE task MODIFY title VARCHAR(200) NOT NULL",
        "column task.title: is varchar(77), the models say varchar(200)",
    ),
    "a check that is gone": (
        "ALTER TABLE task DROP CONSTRAINT task_has_a_title",
        "ALTER TABLE task ADD CONSTRAINT task_has_a_title CHECK (NOT (title = ''))",
        "check task_has_a_title of task: is missing",
    ),
    "a check more": (
        "ALTER TABLE task ADD CONSTRAINT somebodys CHECK (title <> 'x')",
        "ALTER TABLE task DROP CONSTRAINT somebodys",
        "check somebodys of task: no model says so",
    ),
}


@pytest.mark.parametrize(("breaks", "mends", "line"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_a_difference_is_named(breaks, mends, line):
    run(breaks)
    try:
        found = told()
    finally:
        run(mends)
    assert line in found
    assert told() == []


def test_a_foreign_key_that_is_gone_is_named():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT constraint_name FROM information_schema.key_column_usage WHERE"
            " table_schema = DATABASE() AND table_name = 'task' AND column_name = 'owner_id'"
            " AND referenced_table_name = 'account'"
        )
        ((name,),) = cursor.fetchall()
    run(f"ALTER TABLE task DROP FOREIGN KEY {name}")
    try:
        assert told() == ["foreign key of task.owner_id to account.id: is missing"]
    finally:
        run(
            f"ALTER TABLE task ADD CONSTRAINT {name} FOREIGN KEY (owner_id) REFERENCES account (id)"
        )
    assert told() == []
