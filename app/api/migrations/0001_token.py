"""All that the four migrations before 1.0 made one after the other; their databases have it.

The tables have the names of an earlier release, which the one before this must be able to use.
"""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import agenda.identity

DIGEST: dict[str, Any] = {"db_collation": "utf8mb4_bin", "max_length": 64}
ID: dict[str, Any] = {"default": agenda.identity.uuid7, "editable": False}
OWNER: dict[str, Any] = {
    "on_delete": django.db.models.deletion.CASCADE,
    "to": settings.AUTH_USER_MODEL,
}


class Migration(migrations.Migration):
    initial = True

    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="Token",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False, **ID)),
                ("name", models.CharField(max_length=60, verbose_name="name")),
                ("scopes", models.CharField(max_length=30)),
                ("digest", models.CharField(unique=True, **DIGEST)),
                ("hint", models.CharField(max_length=8)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(db_index=True)),
                ("last_used_at", models.DateTimeField(null=True)),
                ("owner", models.ForeignKey(related_name="tokens", **OWNER)),
            ],
            options={"db_table": "api_token", "ordering": ["created_at", "id"]},
        ),
        migrations.CreateModel(
            name="IdempotencyKey",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False, **ID)),
                ("key_digest", models.CharField(**DIGEST)),
                ("request_digest", models.CharField(**DIGEST)),
                ("task_id", models.UUIDField()),
                ("expires_at", models.DateTimeField(db_index=True)),
                ("owner", models.ForeignKey(db_index=False, related_name="+", **OWNER)),
            ],
            options={
                "db_table": "api_answer",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("owner", "key_digest"), name="api_answer_of_owner_by_key"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Tombstone",
            fields=[
                ("digest", models.CharField(primary_key=True, serialize=False, **DIGEST)),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
            options={"db_table": "api_grave"},
        ),
    ]
