"""Keeps with each line of a credit note how its amount came about. Notes from before it was kept have none."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("invoicing", "0018_pins_by_workers"),
    ]

    operations = [
        migrations.AddField(
            model_name="creditnoteline",
            name="explain",
            field=models.JSONField(blank=True, null=True),
        ),
    ]
