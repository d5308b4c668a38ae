"""The choice of a rule, which only Django knows: nothing changes in the database."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agenda", "0002_task_repeat_rule")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="task",
                    name="repeat",
                    field=models.CharField(
                        blank=True,
                        choices=[
                            ("", "never"),
                            ("daily", "every day"),
                            ("weekdays", "Monday to Friday"),
                            ("weekly", "every week"),
                            ("monthly", "every month"),
                            ("rule", "by a rule"),
                        ],
                        db_default="",
                        default="",
                        max_length=8,
                        verbose_name="repeat",
                    ),
                )
            ]
        ),
    ]
