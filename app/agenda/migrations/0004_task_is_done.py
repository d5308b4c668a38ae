"""That a task was taken away because it is done."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agenda", "0003_task_repeat_by_rule")]

    operations = [
        migrations.AddField(
            model_name="task",
            name="is_done",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
    ]
