"""A customer with whom workers were lost is released by a worker: who asked for it, and what came of it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0041_workers_that_live")]

    operations = [
        migrations.AddField(
            model_name="parkedcustomer", name="release_asked_at", field=models.DateTimeField(null=True, blank=True)
        ),
        migrations.AddField(
            model_name="parkedcustomer",
            name="release_asked",
            field=models.JSONField(default=dict, db_default={}, blank=True),
        ),
        migrations.AddField(
            model_name="parkedcustomer",
            name="release_tries",
            field=models.PositiveSmallIntegerField(default=0, db_default=0),
        ),
        migrations.AddField(
            model_name="parkedcustomer",
            name="release_said",
            field=models.TextField(blank=True, default="", db_default=""),
        ),
        migrations.AddField(
            model_name="parkedcustomer", name="lease_until", field=models.DateTimeField(null=True, blank=True)
        ),
        migrations.AddField(
            model_name="parkedcustomer", name="lease_token", field=models.UUIDField(null=True, blank=True)
        ),
        migrations.AddIndex(
            model_name="parkedcustomer",
            index=models.Index(
                fields=["release_asked_at"],
                name="parked_release_asked",
                condition=models.Q(("release_asked_at__isnull", False)),
            ),
        ),
    ]
