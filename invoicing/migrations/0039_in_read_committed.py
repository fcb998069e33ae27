"""Windows, lines of invoices and what others refer to are written in READ COMMITTED only: in any other level the triggers
that guard them would go by what there was when the transaction began.

Only functions are replaced: no table is locked or read.
"""

from django.db import migrations

FORWARD = [
    """\
CREATE OR REPLACE FUNCTION customers_billingapp_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'Written in READ COMMITTED only: in % it does not show what others have stored meanwhile.',
            upper(current_setting('transaction_isolation')) USING ERRCODE = 'feature_not_supported';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoice child ON child.app_id = gone.id) THEN
        RAISE EXCEPTION 'A row of customers_billingapp can''t be deleted: invoicing_invoice.app_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'app_id';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_payment child ON child.app_id = gone.id) THEN
        RAISE EXCEPTION 'A row of customers_billingapp can''t be deleted: invoicing_payment.app_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_payment', COLUMN = 'app_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION customers_billingprofile_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'Written in READ COMMITTED only: in % it does not show what others have stored meanwhile.',
            upper(current_setting('transaction_isolation')) USING ERRCODE = 'feature_not_supported';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoice child ON child.profile_id = gone.id) THEN
        RAISE EXCEPTION 'A row of customers_billingprofile can''t be deleted: invoicing_invoice.profile_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'profile_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION customers_customer_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'Written in READ COMMITTED only: in % it does not show what others have stored meanwhile.',
            upper(current_setting('transaction_isolation')) USING ERRCODE = 'feature_not_supported';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_runcustomer child ON child.customer_id = gone.id) THEN
        RAISE EXCEPTION 'A row of customers_customer can''t be deleted: invoicing_runcustomer.customer_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_runcustomer', COLUMN = 'customer_id';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoice child ON child.customer_id = gone.id) THEN
        RAISE EXCEPTION 'A row of customers_customer can''t be deleted: invoicing_invoice.customer_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'customer_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION customers_supplier_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'Written in READ COMMITTED only: in % it does not show what others have stored meanwhile.',
            upper(current_setting('transaction_isolation')) USING ERRCODE = 'feature_not_supported';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoice child ON child.supplier_id = gone.id) THEN
        RAISE EXCEPTION 'A row of customers_supplier can''t be deleted: invoicing_invoice.supplier_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'supplier_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION invoicing_billingrun_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'Written in READ COMMITTED only: in % it does not show what others have stored meanwhile.',
            upper(current_setting('transaction_isolation')) USING ERRCODE = 'feature_not_supported';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_runcustomer child ON child.run_id = gone.id) THEN
        RAISE EXCEPTION 'A row of invoicing_billingrun can''t be deleted: invoicing_runcustomer.run_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_runcustomer', COLUMN = 'run_id';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoice child ON child.run_id = gone.id) THEN
        RAISE EXCEPTION 'A row of invoicing_billingrun can''t be deleted: invoicing_invoice.run_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'run_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION invoicing_invoice_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'Written in READ COMMITTED only: in % it does not show what others have stored meanwhile.',
            upper(current_setting('transaction_isolation')) USING ERRCODE = 'feature_not_supported';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_payment child ON child.invoice_id = gone.id) THEN
        RAISE EXCEPTION 'A row of invoicing_invoice can''t be deleted: invoicing_payment.invoice_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_payment', COLUMN = 'invoice_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION invoicing_invoiceline_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'Written in READ COMMITTED only: in % it does not show what others have stored meanwhile.',
            upper(current_setting('transaction_isolation')) USING ERRCODE = 'feature_not_supported';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoicedetailedline child ON child.line_id = gone.id) THEN
        RAISE EXCEPTION 'A row of invoicing_invoiceline can''t be deleted: invoicing_invoicedetailedline.line_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoicedetailedline', COLUMN = 'line_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION invoicing_numberseries_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'Written in READ COMMITTED only: in % it does not show what others have stored meanwhile.',
            upper(current_setting('transaction_isolation')) USING ERRCODE = 'feature_not_supported';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoice child ON child.series_id = gone.id) THEN
        RAISE EXCEPTION 'A row of invoicing_numberseries can''t be deleted: invoicing_invoice.series_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'series_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION invoicing_runshard_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'Written in READ COMMITTED only: in % it does not show what others have stored meanwhile.',
            upper(current_setting('transaction_isolation')) USING ERRCODE = 'feature_not_supported';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_runcustomer child ON child.shard_id = gone.id) THEN
        RAISE EXCEPTION 'A row of invoicing_runshard can''t be deleted: invoicing_runcustomer.shard_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_runcustomer', COLUMN = 'shard_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION subscriptions_itemrevision_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'Written in READ COMMITTED only: in % it does not show what others have stored meanwhile.',
            upper(current_setting('transaction_isolation')) USING ERRCODE = 'feature_not_supported';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoiceline child ON child.revision_id = gone.id) THEN
        RAISE EXCEPTION 'A row of subscriptions_itemrevision can''t be deleted: invoicing_invoiceline.revision_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoiceline', COLUMN = 'revision_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION subscriptions_subscription_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'Written in READ COMMITTED only: in % it does not show what others have stored meanwhile.',
            upper(current_setting('transaction_isolation')) USING ERRCODE = 'feature_not_supported';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoiceline child ON child.subscription_id = gone.id) THEN
        RAISE EXCEPTION 'A row of subscriptions_subscription can''t be deleted: invoicing_invoiceline.subscription_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoiceline', COLUMN = 'subscription_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION subscriptions_subscriptionitem_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'Written in READ COMMITTED only: in % it does not show what others have stored meanwhile.',
            upper(current_setting('transaction_isolation')) USING ERRCODE = 'feature_not_supported';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoiceline child ON child.item_id = gone.id) THEN
        RAISE EXCEPTION 'A row of subscriptions_subscriptionitem can''t be deleted: invoicing_invoiceline.item_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoiceline', COLUMN = 'item_id';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_billedwindow child ON child.item_id = gone.id) THEN
        RAISE EXCEPTION 'A row of subscriptions_subscriptionitem can''t be deleted: invoicing_billedwindow.item_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_billedwindow', COLUMN = 'item_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION invoicing_refuse_if_issued(touched uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    frozen text;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'Written in READ COMMITTED only: in % it does not show what others have stored meanwhile.',
            upper(current_setting('transaction_isolation')) USING ERRCODE = 'feature_not_supported';
    END IF;
    WITH locked AS MATERIALIZED (
        SELECT number, issued_at FROM invoicing_invoice WHERE id = ANY(touched) ORDER BY id FOR SHARE
    )
    SELECT number INTO frozen FROM locked WHERE issued_at IS NOT NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Invoice % is issued: its lines can''t be changed.', frozen
            USING ERRCODE = 'restrict_violation';
    END IF;
END $$""",
    """\
CREATE OR REPLACE FUNCTION invoicing_refuse_overlaps() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    twice record;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'Written in READ COMMITTED only: in % it does not show what others have stored meanwhile.',
            upper(current_setting('transaction_isolation')) USING ERRCODE = 'feature_not_supported';
    END IF;
    PERFORM FROM subscriptions_subscriptionitem
    WHERE id = ANY(ARRAY(SELECT DISTINCT item_id FROM touched))
    ORDER BY id FOR NO KEY UPDATE;
    SELECT touched.item_id, touched.span, other.span AS taken INTO twice
    FROM touched CROSS JOIN LATERAL (
        SELECT span FROM invoicing_billedwindow
        WHERE item_id = touched.item_id AND lower(span) < COALESCE(upper(touched.span), 'infinity')
            AND id <> touched.id
        ORDER BY lower(span) DESC
        LIMIT 1
    ) other
    WHERE other.span && touched.span
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'The time % of item % overlaps %, which is settled.', twice.span, twice.item_id, twice.taken
            USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'billed_windows_never_overlap',
                TABLE = 'invoicing_billedwindow';
    END IF;
    RETURN NULL;
END $$""",
]
BACKWARD = [
    """\
CREATE OR REPLACE FUNCTION customers_billingapp_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoice child ON child.app_id = gone.id) THEN
        RAISE EXCEPTION 'A row of customers_billingapp can''t be deleted: invoicing_invoice.app_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'app_id';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_payment child ON child.app_id = gone.id) THEN
        RAISE EXCEPTION 'A row of customers_billingapp can''t be deleted: invoicing_payment.app_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_payment', COLUMN = 'app_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION customers_billingprofile_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoice child ON child.profile_id = gone.id) THEN
        RAISE EXCEPTION 'A row of customers_billingprofile can''t be deleted: invoicing_invoice.profile_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'profile_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION customers_customer_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_runcustomer child ON child.customer_id = gone.id) THEN
        RAISE EXCEPTION 'A row of customers_customer can''t be deleted: invoicing_runcustomer.customer_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_runcustomer', COLUMN = 'customer_id';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoice child ON child.customer_id = gone.id) THEN
        RAISE EXCEPTION 'A row of customers_customer can''t be deleted: invoicing_invoice.customer_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'customer_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION customers_supplier_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoice child ON child.supplier_id = gone.id) THEN
        RAISE EXCEPTION 'A row of customers_supplier can''t be deleted: invoicing_invoice.supplier_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'supplier_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION invoicing_billingrun_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_runcustomer child ON child.run_id = gone.id) THEN
        RAISE EXCEPTION 'A row of invoicing_billingrun can''t be deleted: invoicing_runcustomer.run_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_runcustomer', COLUMN = 'run_id';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoice child ON child.run_id = gone.id) THEN
        RAISE EXCEPTION 'A row of invoicing_billingrun can''t be deleted: invoicing_invoice.run_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'run_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION invoicing_invoice_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_payment child ON child.invoice_id = gone.id) THEN
        RAISE EXCEPTION 'A row of invoicing_invoice can''t be deleted: invoicing_payment.invoice_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_payment', COLUMN = 'invoice_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION invoicing_invoiceline_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoicedetailedline child ON child.line_id = gone.id) THEN
        RAISE EXCEPTION 'A row of invoicing_invoiceline can''t be deleted: invoicing_invoicedetailedline.line_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoicedetailedline', COLUMN = 'line_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION invoicing_numberseries_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoice child ON child.series_id = gone.id) THEN
        RAISE EXCEPTION 'A row of invoicing_numberseries can''t be deleted: invoicing_invoice.series_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'series_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION invoicing_runshard_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_runcustomer child ON child.shard_id = gone.id) THEN
        RAISE EXCEPTION 'A row of invoicing_runshard can''t be deleted: invoicing_runcustomer.shard_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_runcustomer', COLUMN = 'shard_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION subscriptions_itemrevision_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoiceline child ON child.revision_id = gone.id) THEN
        RAISE EXCEPTION 'A row of subscriptions_itemrevision can''t be deleted: invoicing_invoiceline.revision_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoiceline', COLUMN = 'revision_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION subscriptions_subscription_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoiceline child ON child.subscription_id = gone.id) THEN
        RAISE EXCEPTION 'A row of subscriptions_subscription can''t be deleted: invoicing_invoiceline.subscription_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoiceline', COLUMN = 'subscription_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION subscriptions_subscriptionitem_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoiceline child ON child.item_id = gone.id) THEN
        RAISE EXCEPTION 'A row of subscriptions_subscriptionitem can''t be deleted: invoicing_invoiceline.item_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoiceline', COLUMN = 'item_id';
    END IF;
    IF EXISTS (SELECT FROM gone JOIN invoicing_billedwindow child ON child.item_id = gone.id) THEN
        RAISE EXCEPTION 'A row of subscriptions_subscriptionitem can''t be deleted: invoicing_billedwindow.item_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_billedwindow', COLUMN = 'item_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION invoicing_refuse_if_issued(touched uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    frozen text;
BEGIN
    WITH locked AS MATERIALIZED (
        SELECT number, issued_at FROM invoicing_invoice WHERE id = ANY(touched) ORDER BY id FOR SHARE
    )
    SELECT number INTO frozen FROM locked WHERE issued_at IS NOT NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Invoice % is issued: its lines can''t be changed.', frozen
            USING ERRCODE = 'restrict_violation';
    END IF;
END $$""",
    """\
CREATE OR REPLACE FUNCTION invoicing_refuse_overlaps() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    twice record;
BEGIN
    PERFORM FROM subscriptions_subscriptionitem
    WHERE id = ANY(ARRAY(SELECT DISTINCT item_id FROM touched))
    ORDER BY id FOR NO KEY UPDATE;
    SELECT touched.item_id, touched.span, other.span AS taken INTO twice
    FROM touched CROSS JOIN LATERAL (
        SELECT span FROM invoicing_billedwindow
        WHERE item_id = touched.item_id AND lower(span) < COALESCE(upper(touched.span), 'infinity')
            AND id <> touched.id
        ORDER BY lower(span) DESC
        LIMIT 1
    ) other
    WHERE other.span && touched.span
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'The time % of item % overlaps %, which is settled.', twice.span, twice.item_id, twice.taken
            USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'billed_windows_never_overlap',
                TABLE = 'invoicing_billedwindow';
    END IF;
    RETURN NULL;
END $$""",
]


class Migration(migrations.Migration):
    dependencies = [
        ("invoicing", "0038_migration_shards_alone"),
    ]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
