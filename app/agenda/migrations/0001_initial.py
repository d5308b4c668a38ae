"""All that the eight migrations before 1.0 made one after the other; their databases have it."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import agenda.identity


class Migration(migrations.Migration):
    initial = True

    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="Task",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=agenda.identity.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("title", models.CharField(max_length=200, verbose_name="title")),
                ("notes", models.TextField(blank=True, max_length=10000, verbose_name="notes")),
                ("deadline_at", models.DateTimeField(verbose_name="deadline")),
                ("is_private", models.BooleanField(default=False, verbose_name="private")),
                ("created_at", models.DateTimeField()),
                ("removed_at", models.DateTimeField(null=True)),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tasks",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "tags",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=311, verbose_name="tags"
                    ),
                ),
                (
                    "priority",
                    models.PositiveSmallIntegerField(
                        choices=[(0, "normal"), (1, "important"), (2, "urgent")],
                        db_default=0,
                        default=0,
                        verbose_name="priority",
                    ),
                ),
                (
                    "repeat",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "never"),
                            ("daily", "every day"),
                            ("weekdays", "Monday to Friday"),
                            ("weekly", "every week"),
                            ("monthly", "every month"),
                        ],
                        db_default="",
                        default="",
                        max_length=8,
                        verbose_name="repeat",
                    ),
                ),
                ("repeat_from", models.DateField(blank=True, editable=False, null=True)),
                ("repeat_time", models.TimeField(blank=True, editable=False, null=True)),
                (
                    "announced",
                    models.PositiveSmallIntegerField(db_default=0, default=0, editable=False),
                ),
            ],
            options={
                "db_table": "task",
                "indexes": [
                    models.Index(fields=["owner", "deadline_at"], name="task_of_owner_by_deadline"),
                    models.Index(fields=["deadline_at"], name="task_by_deadline"),
                    models.Index(fields=["removed_at"], name="task_by_removal"),
                    models.Index(fields=["repeat", "deadline_at"], name="task_by_repeat"),
                ],
                "constraints": [
                    models.CheckConstraint(condition=~models.Q(title=""), name="task_has_a_title")
                ],
            },
        ),
    ]
