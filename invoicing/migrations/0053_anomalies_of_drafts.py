"""What is unusual about a draft that waits for approval is stored with it. Null, so that no row is rewritten: drafts
that wait already are looked at by the schedule."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0011_past_subjects"),
        ("invoicing", "0052_watch_other_terms"),
    ]

    operations = [
        migrations.CreateModel(
            name="DraftInReview",
            fields=[],
            options={
                "verbose_name": "draft",
                "verbose_name_plural": "drafts",
                "ordering": ["-anomaly_rank", "id"],
                "proxy": True,
                "default_permissions": (),
                "indexes": [],
                "constraints": [],
            },
            bases=("invoicing.invoice",),
        ),
        migrations.AddField(
            model_name="invoice",
            name="anomalies",
            field=models.JSONField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="invoice",
            name="anomaly_rank",
            field=models.SmallIntegerField(blank=True, editable=False, null=True),
        ),
    ]
