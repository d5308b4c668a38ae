"""Whether anything of somebody has changed is one look at an index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agenda", "0006_task_changed_at")]

    operations = [
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["owner", "changed_at"], name="task_of_owner_by_change"),
        ),
    ]
