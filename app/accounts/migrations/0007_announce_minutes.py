"""How long before a deadline its user is told."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_has_shortcuts")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="announce_minutes",
            field=models.CharField(
                blank=True,
                db_default="1440 60 10 0",
                default="1440 60 10 0",
                max_length=60,
                verbose_name="announcements",
            ),
        ),
    ]
