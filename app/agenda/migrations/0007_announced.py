# One operation a file: MariaDB has no transaction around it, and a killed one must be repeatable.
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agenda", "0006_repeat_time"),
    ]

    operations = [
        migrations.AddField(
            model_name="task",
            name="announced",
            field=models.PositiveSmallIntegerField(db_default=0, default=0, editable=False),
        ),
    ]
