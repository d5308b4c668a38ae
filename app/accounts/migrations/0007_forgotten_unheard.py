# One operation a file: MariaDB has no transaction around it, and a killed one must be repeatable.
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_listened_at"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="forgotten_unheard",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
    ]
