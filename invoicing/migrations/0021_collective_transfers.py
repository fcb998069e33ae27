"""Bank transactions that share an id: it must be unique among charges only. Indexes are built while others write."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

_CHARGES = """
    CREATE UNIQUE INDEX CONCURRENTLY external_charge_recorded_once ON invoicing_payment (app_id, external_id)
    WHERE attempt IS NOT NULL AND external_id IS NOT NULL
"""
_ALL = """
    CREATE UNIQUE INDEX CONCURRENTLY external_payment_recorded_once ON invoicing_payment (app_id, external_id)
    WHERE external_id IS NOT NULL
"""
# What this migration allows, and the constraint before it does not: only the first receipt keeps the id.
_ONE_EACH = """
    UPDATE invoicing_payment SET external_id = NULL WHERE attempt IS NULL AND id IN (
        SELECT id FROM (
            SELECT id, row_number() OVER (PARTITION BY app_id, external_id ORDER BY (attempt IS NULL), id) AS nth
            FROM invoicing_payment WHERE external_id IS NOT NULL
        ) AS numbered WHERE nth > 1
    )
"""


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("invoicing", "0020_customers_in_migrations"),
    ]

    operations = [
        migrations.AddField(
            model_name="bankstatementrow", name="told_booked", field=models.BooleanField(default=False)
        ),
        AddIndexConcurrently(
            model_name="bankstatementrow",
            index=models.Index(fields=["booked_on", "amount"], name="row_by_day_and_amount"),
        ),
        AddIndexConcurrently(
            model_name="bankstatementrow",
            index=models.Index(
                condition=models.Q(("transaction_id", ""), _negated=True),
                fields=["transaction_id"],
                name="row_by_transaction",
            ),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveConstraint(model_name="payment", name="external_payment_recorded_once"),
                migrations.AddConstraint(
                    model_name="payment",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("attempt__isnull", False), ("external_id__isnull", False)),
                        fields=("app", "external_id"),
                        name="external_charge_recorded_once",
                    ),
                ),
            ],
            database_operations=[
                migrations.RunSQL(_CHARGES, "DROP INDEX CONCURRENTLY external_charge_recorded_once"),
                migrations.RunSQL("DROP INDEX CONCURRENTLY external_payment_recorded_once", _ALL),
                migrations.RunSQL(migrations.RunSQL.noop, _ONE_EACH),
            ],
        ),
    ]
