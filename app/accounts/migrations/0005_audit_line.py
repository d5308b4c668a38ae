from django.db import migrations, models

import agenda.identity


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_recovery_digests")]

    operations = [
        migrations.CreateModel(
            name="AuditLine",
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
                ("at", models.DateTimeField(db_index=True)),
                ("what", models.CharField(max_length=30)),
                ("account_id", models.UUIDField(null=True)),
                ("address", models.CharField(max_length=45)),
                ("detail", models.CharField(max_length=60)),
            ],
            options={
                "db_table": "audit_line",
                "indexes": [
                    models.Index(fields=["account_id", "at"], name="audit_line_of_account")
                ],
            },
        ),
    ]
