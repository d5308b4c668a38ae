"""When something was last said of a task."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agenda", "0007_task_of_owner_by_change")]

    operations = [
        migrations.AddField(
            model_name="task",
            name="announced_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
