# One operation a file: MariaDB has no transaction around it, and a killed one must be repeatable.
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agenda", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="task",
            name="tags",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=311, verbose_name="tags"
            ),
        ),
    ]
