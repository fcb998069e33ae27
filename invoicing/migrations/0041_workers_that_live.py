"""A shard tells the workers that were lost with it from those that caught an error, and a pin says whom it left out."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0040_tax_cuts_add_up")]

    operations = [
        migrations.AddField(
            model_name="runshard", name="lost", field=models.PositiveIntegerField(default=0, db_default=0)
        ),
        migrations.AddField(
            model_name="runshard", name="failed", field=models.PositiveIntegerField(default=0, db_default=0)
        ),
        migrations.AddField(
            model_name="runshard", name="alone_failed", field=models.PositiveSmallIntegerField(default=0, db_default=0)
        ),
        migrations.AddField(
            model_name="migrationshard", name="failed", field=models.PositiveIntegerField(default=0, db_default=0)
        ),
        migrations.AddField(
            model_name="migrationshard",
            name="alone_failed",
            field=models.PositiveSmallIntegerField(default=0, db_default=0),
        ),
        migrations.AddField(
            model_name="migrationshard",
            name="left_out",
            field=models.JSONField(default=list, db_default=[], blank=True),
        ),
    ]
