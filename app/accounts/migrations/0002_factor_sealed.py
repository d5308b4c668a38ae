from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="factor_sealed",
            field=models.CharField(db_default="", default="", editable=False, max_length=72),
        ),
    ]
