"""How fast the voices speak."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_announce_minutes")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="voice_speed",
            field=models.CharField(
                choices=[("slow", "slow"), ("normal", "normal"), ("fast", "fast")],
                db_default="normal",
                default="normal",
                max_length=10,
                verbose_name="voice speed",
            ),
        ),
    ]
