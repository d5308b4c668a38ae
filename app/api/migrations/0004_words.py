from django.db import migrations


class Migration(migrations.Migration):
    """The trade's words in the code. The tables keep their names, which the release before reads."""

    dependencies = [("api", "0003_grave")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel("Answer", "IdempotencyKey"),
                migrations.RenameModel("Grave", "Tombstone"),
            ]
        ),
    ]
