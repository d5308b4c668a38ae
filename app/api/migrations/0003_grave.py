from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("api", "0002_answer")]

    operations = [
        migrations.CreateModel(
            name="Grave",
            fields=[
                (
                    "digest",
                    models.CharField(
                        db_collation="utf8mb4_bin",
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
            options={"db_table": "api_grave"},
        ),
    ]
