"""An invoice names the voided one that it is issued instead of, and a void gives an applied balance back.

A column without a value: no rewrite. Its constraint reads the table once; nothing is written meanwhile that it lacks.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("customers", "0010_late_usage"), ("invoicing", "0044_releases_that_failed")]

    operations = [
        migrations.AddField(
            model_name="invoice",
            name="replaces",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="replaced_by",
                to="invoicing.invoice",
            ),
        ),
        migrations.AlterField(
            model_name="balanceentry",
            name="kind",
            field=models.CharField(
                choices=[
                    ("credit_note", "Credit note"),
                    ("overpayment", "Overpayment"),
                    ("applied", "Applied to an invoice"),
                    ("released", "Released by a void"),
                    ("refund", "Refunded"),
                ],
                max_length=16,
            ),
        ),
    ]
