# One operation a file: MariaDB has no transaction around it, and a killed one must be repeatable.
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agenda", "0007_announced"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["repeat", "deadline_at"], name="task_by_repeat"),
        ),
    ]
