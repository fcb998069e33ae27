"""Each order that the list of who is billed how offers has an index."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("customers", "0008_overrides_and_pins"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="customer",
            index=models.Index(fields=["key", "id"], name="customer_key"),
        ),
        AddIndexConcurrently(
            model_name="customer",
            index=models.Index(fields=["primary_email", "id"], name="customer_email"),
        ),
    ]
