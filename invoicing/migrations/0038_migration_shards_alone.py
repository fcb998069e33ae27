"""A shard of a profile migration that lost several workers knows with whom the next one is alone, as one of a run."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0037_references_by_statement")]

    operations = [
        migrations.AddField(
            model_name="migrationshard", name="lost", field=models.PositiveIntegerField(default=0, db_default=0)
        ),
        migrations.AddField(
            model_name="migrationshard", name="alone_with", field=models.UUIDField(null=True, blank=True)
        ),
        migrations.AddField(
            model_name="migrationshard",
            name="alone_tries",
            field=models.PositiveSmallIntegerField(default=0, db_default=0),
        ),
    ]
