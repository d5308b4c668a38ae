import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import agenda.identity


class Migration(migrations.Migration):
    dependencies = [("api", "0001_token")]

    operations = [
        migrations.CreateModel(
            name="Answer",
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
                ("key_digest", models.CharField(db_collation="utf8mb4_bin", max_length=64)),
                ("request_digest", models.CharField(db_collation="utf8mb4_bin", max_length=64)),
                ("task_id", models.UUIDField()),
                ("expires_at", models.DateTimeField(db_index=True)),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
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
    ]
