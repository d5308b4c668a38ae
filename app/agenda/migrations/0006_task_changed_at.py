"""When a task was changed last, for pages that are open."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agenda", "0005_task_moved_from")]

    operations = [
        migrations.AddField(
            model_name="task",
            name="changed_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
