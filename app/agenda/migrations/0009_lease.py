"""What one process at a time may do, on whichever host."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agenda", "0008_task_announced_at")]

    operations = [
        migrations.CreateModel(
            name="Lease",
            fields=[
                (
                    "name",
                    models.CharField(
                        db_collation="utf8mb4_bin",
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("holder", models.CharField(db_collation="utf8mb4_bin", max_length=32)),
                ("until", models.DateTimeField(db_index=True)),
            ],
            options={"db_table": "lease"},
        ),
    ]
