"""Fills in which window each line is for, and which invoice each window is on; thousands of rows a transaction.

The lines of issued invoices are frozen: each transaction lifts the freeze for itself, so that none is ever open. A line
whose window is gone (it came back whole, or its draft was deleted) keeps the id of the line that had settled it as its
reference. Running it again fills in what is left.
"""

from django.db import connection, migrations, transaction

AT_ONCE = 10_000
NOTHING = "00000000-0000-0000-0000-000000000000"

LINES = """
    WITH batch AS (
        SELECT line.id, COALESCE(second.id, first.id, line.id) AS root
        FROM invoicing_invoiceline line
        JOIN invoicing_invoice invoice ON invoice.id = line.invoice_id
        LEFT JOIN invoicing_invoiceline first ON first.id = line.amends_id
        LEFT JOIN invoicing_invoiceline second ON second.id = first.amends_id
        WHERE line.id = ANY(%s) AND line.window_id IS NULL AND line.item_id IS NOT NULL
            AND (invoice.status <> 'gathering' OR line.amends_id IS NOT NULL)
    )
    UPDATE invoicing_invoiceline line SET window_id = COALESCE(bw.id, batch.root)
    FROM batch LEFT JOIN invoicing_billedwindow bw ON bw.line_id = batch.root
    WHERE line.id = batch.id
"""
WINDOWS = """
    UPDATE invoicing_billedwindow bw SET invoice_id = line.invoice_id
    FROM invoicing_invoiceline line
    WHERE bw.id = ANY(%s) AND bw.invoice_id IS NULL AND line.id = bw.line_id
"""
WINDOWS_BACK = """
    UPDATE invoicing_billedwindow bw SET line_id = (
        SELECT line.id FROM invoicing_invoiceline line
        WHERE line.window_id = bw.id AND line.invoice_id = bw.invoice_id AND line.kind <> 'credit'
        ORDER BY line.amends_id IS NOT NULL, line.id LIMIT 1
    )
    WHERE bw.id = ANY(%s) AND bw.invoice_id IS NOT NULL
"""


def _in_batches(table, statement, *, frozen=False):
    last = NOTHING
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SELECT id FROM {table} WHERE id > %s ORDER BY id LIMIT {AT_ONCE}", [last])
            ids = [row[0] for row in cursor.fetchall()]
            if not ids:
                return
            if frozen:
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER freeze_on_update")
            cursor.execute(statement, [ids])
            if frozen:
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER freeze_on_update")
        last = ids[-1]


def fill(apps, schema_editor):
    _in_batches("invoicing_invoiceline", LINES, frozen=True)
    _in_batches("invoicing_billedwindow", WINDOWS)


def unfill(apps, schema_editor):
    _in_batches("invoicing_billedwindow", WINDOWS_BACK)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("invoicing", "0024_window_references"),
    ]

    operations = [
        # Of a window that is to name its line again, only once it does.
        migrations.RemoveConstraint(model_name="billedwindow", name="charged_window_names_its_line"),
        migrations.RunPython(fill, unfill),
    ]
