# One operation a file: MariaDB has no transaction around it, and a killed one must be repeatable.
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agenda", "0004_repeat"),
    ]

    operations = [
        migrations.AddField(
            model_name="task",
            name="repeat_from",
            field=models.DateField(blank=True, editable=False, null=True),
        ),
    ]
