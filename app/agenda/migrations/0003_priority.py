# One operation a file: MariaDB has no transaction around it, and a killed one must be repeatable.
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agenda", "0002_tags"),
    ]

    operations = [
        migrations.AddField(
            model_name="task",
            name="priority",
            field=models.PositiveSmallIntegerField(
                choices=[(0, "normal"), (1, "important"), (2, "urgent")],
                db_default=0,
                default=0,
                verbose_name="priority",
            ),
        ),
    ]
