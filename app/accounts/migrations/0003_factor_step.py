from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_factor_sealed")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="factor_step",
            field=models.PositiveBigIntegerField(db_default=0, default=0, editable=False),
        ),
    ]
