from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_factor_step")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="recovery_digests",
            field=models.CharField(db_default="", default="", editable=False, max_length=700),
        ),
    ]
