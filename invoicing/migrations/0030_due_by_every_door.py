"""Every way in which a subscription is written makes its customer due; who has subscriptions already is due by them.

The triggers come first, so that nothing that is written meanwhile is missed; then the rows, thousands a transaction.
Running it again fills in what is left.
"""

from django.db import connection, migrations, transaction

AT_ONCE = 10_000
NOTHING = "00000000-0000-0000-0000-000000000000"

FORWARD = """
CREATE FUNCTION invoicing_wake_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO invoicing_billingdue AS due (customer_id, currency, due_at)
    SELECT touched.customer_id, touched.currency, min(touched.next_billing_at)
    FROM touched
    WHERE touched.next_billing_at IS NOT NULL
    GROUP BY touched.customer_id, touched.currency
    ORDER BY touched.customer_id, touched.currency
    ON CONFLICT (customer_id, currency) DO UPDATE SET due_at = LEAST(due.due_at, EXCLUDED.due_at);
    RETURN NULL;
END $$;
CREATE FUNCTION invoicing_wake_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO invoicing_billingdue AS due (customer_id, currency, due_at)
    SELECT touched.customer_id, touched.currency, min(touched.next_billing_at)
    FROM touched JOIN touched_before before ON before.id = touched.id
    WHERE touched.next_billing_at IS NOT NULL AND (
        before.next_billing_at IS NULL OR touched.next_billing_at < before.next_billing_at
        OR touched.reconcile_from < before.reconcile_from OR touched.updated_at <> before.updated_at
        OR (touched.customer_id, touched.currency) <> (before.customer_id, before.currency))
    GROUP BY touched.customer_id, touched.currency
    ORDER BY touched.customer_id, touched.currency
    ON CONFLICT (customer_id, currency) DO UPDATE SET due_at = LEAST(due.due_at, EXCLUDED.due_at);
    RETURN NULL;
END $$;
CREATE TRIGGER wake_on_insert AFTER INSERT ON subscriptions_subscription
    REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION invoicing_wake_new();
CREATE TRIGGER wake_on_update AFTER UPDATE ON subscriptions_subscription
    REFERENCING OLD TABLE AS touched_before NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION invoicing_wake_changed();
"""
BACKWARD = """
DROP TRIGGER wake_on_insert ON subscriptions_subscription;
DROP TRIGGER wake_on_update ON subscriptions_subscription;
DROP FUNCTION invoicing_wake_new;
DROP FUNCTION invoicing_wake_changed;
"""
FILL = """
    INSERT INTO invoicing_billingdue AS due (customer_id, currency, due_at)
    SELECT customer_id, currency, min(next_billing_at)
    FROM subscriptions_subscription
    WHERE id = ANY(%s) AND next_billing_at IS NOT NULL
    GROUP BY customer_id, currency
    ORDER BY customer_id, currency
    ON CONFLICT (customer_id, currency) DO UPDATE SET due_at = LEAST(due.due_at, EXCLUDED.due_at)
"""


def fill(apps, schema_editor):
    last = NOTHING
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM subscriptions_subscription WHERE id > %s ORDER BY id LIMIT %s", [last, AT_ONCE]
            )
            ids = [row[0] for row in cursor.fetchall()]
            if not ids:
                return
            cursor.execute(FILL, [ids])
        last = ids[-1]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("invoicing", "0029_billing_due"),
        ("subscriptions", "0010_untouched_periods_of_coupons"),
    ]

    operations = [
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
