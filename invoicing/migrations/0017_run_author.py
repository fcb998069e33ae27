"""Who started a run, as a person. Runs from before have nobody: their drafts may be approved by anyone who may."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("invoicing", "0016_find_open_payments"),
    ]

    operations = [
        migrations.AddField(
            model_name="billingrun",
            name="author",
            field=models.CharField(blank=True, max_length=96),
        ),
    ]
