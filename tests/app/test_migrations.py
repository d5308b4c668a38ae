"""Migrations only add, one step each, and may be repeated: the previous release always runs."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, migrations, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from agenda.management.commands.agenda_migrate import RepeatableSchemaEditor, is_done_already
from tests.app.migration_rules import problems

OURS = ("agenda", "accounts", "speech", "api")
# (app, migration): why it is right all the same.
EXPLAINED: dict[tuple[str, str], str] = {}

CHAR = models.CharField(max_length=9)


def ours() -> list[tuple[str, str]]:
    loader = MigrationLoader(None)
    return sorted(key for key in loader.disk_migrations if key[0] in OURS)


@pytest.mark.parametrize("key", ours(), ids="/".join)
def test_migration_leaves_the_release_before_it_running(key):
    migration = MigrationLoader(None).disk_migrations[key]
    found = problems(migration.operations, initial=bool(migration.initial))
    assert not found or key in EXPLAINED, "\n".join(found)


def test_every_explained_migration_needs_its_explanation():
    loader = MigrationLoader(None)
    for key in EXPLAINED:
        migration = loader.disk_migrations[key]
        assert problems(migration.operations, initial=bool(migration.initial)), key


@pytest.mark.parametrize(
    ("operations", "found"),
    [
        pytest.param([migrations.AddField("task", "x", CHAR)], "null=True", id="no default"),
        pytest.param([migrations.RemoveField("task", "title")], "takes", id="removed column"),
        pytest.param([migrations.RenameField("task", "title", "name")], "takes", id="renamed"),
        pytest.param([migrations.DeleteModel("Task")], "takes", id="deleted table"),
        pytest.param([migrations.AlterField("task", "title", CHAR)], "widen", id="altered"),
        pytest.param([migrations.RunPython(print)], "management", id="data"),
        pytest.param([migrations.RunSQL("DROP TABLE task")], "management", id="sql"),
        pytest.param(
            [
                migrations.AddConstraint(
                    "task", models.CheckConstraint(condition=models.Q(title="x"), name="x")
                )
            ],
            "forbids",
            id="constraint",
        ),
        pytest.param(
            [migrations.AddIndex("task", models.Index(fields=["title"], name="x"))] * 2,
            "one a file",
            id="two steps",
        ),
        pytest.param(
            [migrations.SeparateDatabaseAndState([migrations.RemoveField("task", "title")], [])],
            "takes",
            id="hidden in another",
        ),
    ],
)
def test_linter_finds_what_would_break_the_release_before(operations, found):
    assert any(found in line for line in problems(operations, initial=False))


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(models.CharField(max_length=9, null=True), id="null"),
        pytest.param(models.CharField(max_length=9, db_default=""), id="default in the database"),
        pytest.param(models.ManyToManyField("task"), id="a table of its own"),
    ],
)
def test_linter_admits_what_only_adds(field):
    assert problems([migrations.AddField("task", "x", field)], initial=False) == []


def described() -> dict[str, object]:
    with connection.cursor() as cursor:
        names = sorted(connection.introspection.table_names(cursor))
        tables = {}
        for name in names:
            cursor.execute(f"SHOW CREATE TABLE `{name}`")
            lines = cursor.fetchone()[1].partition(") ENGINE")[0].splitlines()
            tables[name] = sorted(line.strip(" ,") for line in lines)
    return tables


def run(statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def forgotten(key: tuple[str, str]) -> None:
    MigrationRecorder(connection).record_unapplied(*key)


@pytest.mark.django_db(transaction=True)
def test_every_migration_may_be_killed_before_it_was_noted_and_run_again(monkeypatch):
    monkeypatch.setattr(connection, "SchemaEditorClass", RepeatableSchemaEditor)
    before = described()
    run(["SET FOREIGN_KEY_CHECKS = 0", *(f"DROP TABLE `{name}`" for name in before)])
    run(["SET FOREIGN_KEY_CHECKS = 1"])
    loader = MigrationLoader(None)
    plan = MigrationExecutor(connection).migration_plan(loader.graph.leaf_nodes())
    for migration, _ in plan:
        key = (migration.app_label, migration.name)
        MigrationExecutor(connection).migrate([key])
        forgotten(key)
        if key == ("accounts", "0001_initial"):  # killed in its middle: after the first table
            run(["DROP TABLE session", "DROP TABLE account_groups"])
        MigrationExecutor(connection).migrate([key])
    call_command("agenda_migrate", interactive=False, verbosity=0)
    assert described() == before
    call_command("migrate", check=True, verbosity=0)


@pytest.mark.django_db
def test_a_database_from_before_the_first_migrations_were_joined_lacks_none():
    recorder = MigrationRecorder(connection)
    ours = {"accounts", "agenda", "api"}
    joined = [key for key in recorder.applied_migrations() if key[1].startswith("0001")]
    for key in [key for key in joined if key[0] in ours]:
        recorder.record_unapplied(*key)
    for app in ("accounts", "agenda"):
        recorder.record_applied(app, "0001_initial")
    for name in ("0001_token", "0002_answer"):
        recorder.record_applied("api", name)
    call_command("migrate", check=True, verbosity=0)


def test_an_error_that_is_no_repetition_is_shown():
    assert not is_done_already(OperationalError(1142, "ALTER command denied"))
    assert not is_done_already(OperationalError(1005, "Can't create table (errno: 150)"))
    assert not is_done_already(OperationalError())
