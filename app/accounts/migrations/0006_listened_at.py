# One operation a file: MariaDB has no transaction around it, and a killed one must be repeatable.
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_quiet_until"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="listened_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
