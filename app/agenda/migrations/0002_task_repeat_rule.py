"""Repeats beyond the four names; the release before leaves what says "rule" to this one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agenda", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="task",
            name="repeat_rule",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=80
            ),
        ),
    ]
