"""The deadline before the last one, so that "later" can be undone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agenda", "0004_task_is_done")]

    operations = [
        migrations.AddField(
            model_name="task",
            name="moved_from",
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
