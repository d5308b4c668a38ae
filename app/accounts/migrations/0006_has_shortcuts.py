"""Whether single keys act in the list of tasks."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_audit_line")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="has_shortcuts",
            field=models.BooleanField(db_default=True, default=True, verbose_name="shortcuts"),
        ),
    ]
