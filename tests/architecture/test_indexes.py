"""The tables that a close writes have no index that another one makes superfluous: each costs for every row."""

import pytest
from django.db import connection

WRITTEN = (
    "invoicing_invoice",
    "invoicing_invoiceline",
    "invoicing_invoicedetailedline",
    "invoicing_billedwindow",
    "invoicing_payment",
    "invoicing_runcustomer",
    "invoicing_billingdue",
    "subscriptions_subscription",
)

# What is not unique, has no condition, and whose columns another B-tree begins with: one without a condition, or one
# that leaves out only what no look-up by the column finds.
SUPERFLUOUS = """
    WITH indexes AS (
        SELECT indrelid::regclass::text AS owner, indexrelid::regclass::text AS name, indisunique AS is_unique,
            pg_get_expr(indpred, indrelid) AS condition, pg_get_indexdef(indexrelid, 1, true) AS leading,
            string_to_array(indkey::text, ' ') AS columns, indclass::text AS classes
        FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
        WHERE amname = 'btree' AND indrelid::regclass::text = ANY(%s)
    )
    SELECT own.name, other.name FROM indexes own JOIN indexes other USING (owner)
    WHERE own.name <> other.name AND NOT own.is_unique AND own.condition IS NULL
        AND own.columns = other.columns[1:cardinality(own.columns)]
        AND starts_with(other.classes, own.classes)
        AND (other.condition IS NULL OR other.condition = format('(%%s IS NOT NULL)', own.leading))
"""


@pytest.mark.django_db
def test_no_index_of_what_a_close_writes_begins_as_another_does():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_index WHERE indrelid::regclass::text = ANY(%s)", [list(WRITTEN)])
        assert cursor.fetchone()[0] > len(WRITTEN)
        cursor.execute(SUPERFLUOUS, [list(WRITTEN)])
        assert cursor.fetchall() == []
