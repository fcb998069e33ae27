"""A shard that lost several workers knows with whom the next one is alone, so that a customer who kills it is found."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0035_windows_apart")]

    operations = [
        migrations.AddField(model_name="runshard", name="alone_with", field=models.UUIDField(null=True, blank=True)),
        migrations.AddField(
            model_name="runshard",
            name="alone_tries",
            field=models.PositiveSmallIntegerField(default=0, db_default=0),
        ),
    ]
