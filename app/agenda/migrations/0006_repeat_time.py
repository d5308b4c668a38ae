# One operation a file: MariaDB has no transaction around it, and a killed one must be repeatable.
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agenda", "0005_repeat_from"),
    ]

    operations = [
        migrations.AddField(
            model_name="task",
            name="repeat_time",
            field=models.TimeField(blank=True, editable=False, null=True),
        ),
    ]
