"""What replaced an invoice is found by an index of the few that replace one."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("invoicing", "0045_replacements")]

    operations = [
        AddIndexConcurrently(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("replaces__isnull", False)), fields=["replaces"], name="invoice_replacing"
            ),
        ),
    ]
