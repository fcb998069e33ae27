"""The list's name. Nothing in the database changes."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0007_attribution_in_time"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="customeroverride",
            options={"ordering": ["-created_at"], "verbose_name_plural": "overrides and pins"},
        ),
    ]
