"""Lines refer to the window that they bill, add to or give back of; a window to its invoice. Filled in by the next."""

import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("invoicing", "0023_whole_references"),
    ]

    operations = [
        migrations.AddField(
            model_name="billedwindow",
            name="invoice",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="billed_windows",
                to="invoicing.invoice",
            ),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="window",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="lines",
                to="invoicing.billedwindow",
            ),
        ),
        AddIndexConcurrently(
            model_name="invoiceline",
            index=models.Index(
                condition=models.Q(("window__isnull", False)), fields=["window"], name="lines_of_a_window"
            ),
        ),
    ]
