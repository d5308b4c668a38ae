# One operation a file: MariaDB has no transaction around it, and a killed one must be repeatable.
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agenda", "0003_priority"),
    ]

    operations = [
        migrations.AddField(
            model_name="task",
            name="repeat",
            field=models.CharField(
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
    ]
