"""What a close writes many rows of has its foreign keys checked once a statement, by triggers (`core.references`).

The triggers stand before the constraints go: at no time is anything unchecked. Backward, each constraint checks every
row that is stored.
"""

import django.db.models.deletion
from django.db import migrations, models

FORWARD = [
    """\
CREATE FUNCTION core_refuse_other_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The id of a row of % never changes: others refer to it.', TG_TABLE_NAME
        USING ERRCODE = 'foreign_key_violation';
END $$""",
    """\
CREATE FUNCTION invoicing_billedwindow_refers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    held bigint;
BEGIN
    ids := ARRAY(SELECT DISTINCT item_id FROM touched WHERE item_id IS NOT NULL);
    PERFORM FROM subscriptions_subscriptionitem WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_billedwindow.item_id refers to a row that subscriptions_subscriptionitem lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_billedwindow', COLUMN = 'item_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION invoicing_billedwindow_refers_anew() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    held bigint;
BEGIN
    IF NEW.item_id IS DISTINCT FROM OLD.item_id THEN
    ids := array_remove(ARRAY[NEW.item_id], NULL);
    PERFORM FROM subscriptions_subscriptionitem WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_billedwindow.item_id refers to a row that subscriptions_subscriptionitem lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_billedwindow', COLUMN = 'item_id';
    END IF;
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION invoicing_invoice_refers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    held bigint;
BEGIN
    ids := ARRAY(SELECT DISTINCT customer_id FROM touched WHERE customer_id IS NOT NULL);
    PERFORM FROM customers_customer WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoice.customer_id refers to a row that customers_customer lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'customer_id';
    END IF;
    ids := ARRAY(SELECT DISTINCT run_id FROM touched WHERE run_id IS NOT NULL);
    PERFORM FROM invoicing_billingrun WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoice.run_id refers to a row that invoicing_billingrun lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'run_id';
    END IF;
    ids := ARRAY(SELECT DISTINCT series_id FROM touched WHERE series_id IS NOT NULL);
    PERFORM FROM invoicing_numberseries WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoice.series_id refers to a row that invoicing_numberseries lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'series_id';
    END IF;
    ids := ARRAY(SELECT DISTINCT supplier_id FROM touched WHERE supplier_id IS NOT NULL);
    PERFORM FROM customers_supplier WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoice.supplier_id refers to a row that customers_supplier lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'supplier_id';
    END IF;
    ids := ARRAY(SELECT DISTINCT app_id FROM touched WHERE app_id IS NOT NULL);
    PERFORM FROM customers_billingapp WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoice.app_id refers to a row that customers_billingapp lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'app_id';
    END IF;
    ids := ARRAY(SELECT DISTINCT profile_id FROM touched WHERE profile_id IS NOT NULL);
    PERFORM FROM customers_billingprofile WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoice.profile_id refers to a row that customers_billingprofile lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'profile_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION invoicing_invoice_refers_anew() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    held bigint;
BEGIN
    IF NEW.customer_id IS DISTINCT FROM OLD.customer_id THEN
    ids := array_remove(ARRAY[NEW.customer_id], NULL);
    PERFORM FROM customers_customer WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoice.customer_id refers to a row that customers_customer lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'customer_id';
    END IF;
    END IF;
    IF NEW.run_id IS DISTINCT FROM OLD.run_id THEN
    ids := array_remove(ARRAY[NEW.run_id], NULL);
    PERFORM FROM invoicing_billingrun WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoice.run_id refers to a row that invoicing_billingrun lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'run_id';
    END IF;
    END IF;
    IF NEW.series_id IS DISTINCT FROM OLD.series_id THEN
    ids := array_remove(ARRAY[NEW.series_id], NULL);
    PERFORM FROM invoicing_numberseries WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoice.series_id refers to a row that invoicing_numberseries lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'series_id';
    END IF;
    END IF;
    IF NEW.supplier_id IS DISTINCT FROM OLD.supplier_id THEN
    ids := array_remove(ARRAY[NEW.supplier_id], NULL);
    PERFORM FROM customers_supplier WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoice.supplier_id refers to a row that customers_supplier lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'supplier_id';
    END IF;
    END IF;
    IF NEW.app_id IS DISTINCT FROM OLD.app_id THEN
    ids := array_remove(ARRAY[NEW.app_id], NULL);
    PERFORM FROM customers_billingapp WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoice.app_id refers to a row that customers_billingapp lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'app_id';
    END IF;
    END IF;
    IF NEW.profile_id IS DISTINCT FROM OLD.profile_id THEN
    ids := array_remove(ARRAY[NEW.profile_id], NULL);
    PERFORM FROM customers_billingprofile WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoice.profile_id refers to a row that customers_billingprofile lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'profile_id';
    END IF;
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION invoicing_invoicedetailedline_refers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    held bigint;
BEGIN
    ids := ARRAY(SELECT DISTINCT line_id FROM touched WHERE line_id IS NOT NULL);
    PERFORM FROM invoicing_invoiceline WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoicedetailedline.line_id refers to a row that invoicing_invoiceline lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoicedetailedline', COLUMN = 'line_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION invoicing_invoicedetailedline_refers_anew() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    held bigint;
BEGIN
    IF NEW.line_id IS DISTINCT FROM OLD.line_id THEN
    ids := array_remove(ARRAY[NEW.line_id], NULL);
    PERFORM FROM invoicing_invoiceline WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoicedetailedline.line_id refers to a row that invoicing_invoiceline lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoicedetailedline', COLUMN = 'line_id';
    END IF;
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION invoicing_invoiceline_refers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    held bigint;
BEGIN
    ids := ARRAY(SELECT DISTINCT subscription_id FROM touched WHERE subscription_id IS NOT NULL);
    PERFORM FROM subscriptions_subscription WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoiceline.subscription_id refers to a row that subscriptions_subscription lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoiceline', COLUMN = 'subscription_id';
    END IF;
    ids := ARRAY(SELECT DISTINCT item_id FROM touched WHERE item_id IS NOT NULL);
    PERFORM FROM subscriptions_subscriptionitem WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoiceline.item_id refers to a row that subscriptions_subscriptionitem lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoiceline', COLUMN = 'item_id';
    END IF;
    ids := ARRAY(SELECT DISTINCT revision_id FROM touched WHERE revision_id IS NOT NULL);
    PERFORM FROM subscriptions_itemrevision WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoiceline.revision_id refers to a row that subscriptions_itemrevision lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoiceline', COLUMN = 'revision_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION invoicing_invoiceline_refers_anew() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    held bigint;
BEGIN
    IF NEW.subscription_id IS DISTINCT FROM OLD.subscription_id THEN
    ids := array_remove(ARRAY[NEW.subscription_id], NULL);
    PERFORM FROM subscriptions_subscription WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoiceline.subscription_id refers to a row that subscriptions_subscription lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoiceline', COLUMN = 'subscription_id';
    END IF;
    END IF;
    IF NEW.item_id IS DISTINCT FROM OLD.item_id THEN
    ids := array_remove(ARRAY[NEW.item_id], NULL);
    PERFORM FROM subscriptions_subscriptionitem WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoiceline.item_id refers to a row that subscriptions_subscriptionitem lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoiceline', COLUMN = 'item_id';
    END IF;
    END IF;
    IF NEW.revision_id IS DISTINCT FROM OLD.revision_id THEN
    ids := array_remove(ARRAY[NEW.revision_id], NULL);
    PERFORM FROM subscriptions_itemrevision WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_invoiceline.revision_id refers to a row that subscriptions_itemrevision lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoiceline', COLUMN = 'revision_id';
    END IF;
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION invoicing_payment_refers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    held bigint;
BEGIN
    ids := ARRAY(SELECT DISTINCT invoice_id FROM touched WHERE invoice_id IS NOT NULL);
    PERFORM FROM invoicing_invoice WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_payment.invoice_id refers to a row that invoicing_invoice lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_payment', COLUMN = 'invoice_id';
    END IF;
    ids := ARRAY(SELECT DISTINCT app_id FROM touched WHERE app_id IS NOT NULL);
    PERFORM FROM customers_billingapp WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_payment.app_id refers to a row that customers_billingapp lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_payment', COLUMN = 'app_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION invoicing_payment_refers_anew() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    held bigint;
BEGIN
    IF NEW.invoice_id IS DISTINCT FROM OLD.invoice_id THEN
    ids := array_remove(ARRAY[NEW.invoice_id], NULL);
    PERFORM FROM invoicing_invoice WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_payment.invoice_id refers to a row that invoicing_invoice lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_payment', COLUMN = 'invoice_id';
    END IF;
    END IF;
    IF NEW.app_id IS DISTINCT FROM OLD.app_id THEN
    ids := array_remove(ARRAY[NEW.app_id], NULL);
    PERFORM FROM customers_billingapp WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_payment.app_id refers to a row that customers_billingapp lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_payment', COLUMN = 'app_id';
    END IF;
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION invoicing_runcustomer_refers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    held bigint;
BEGIN
    ids := ARRAY(SELECT DISTINCT run_id FROM touched WHERE run_id IS NOT NULL);
    PERFORM FROM invoicing_billingrun WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_runcustomer.run_id refers to a row that invoicing_billingrun lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_runcustomer', COLUMN = 'run_id';
    END IF;
    ids := ARRAY(SELECT DISTINCT shard_id FROM touched WHERE shard_id IS NOT NULL);
    PERFORM FROM invoicing_runshard WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_runcustomer.shard_id refers to a row that invoicing_runshard lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_runcustomer', COLUMN = 'shard_id';
    END IF;
    ids := ARRAY(SELECT DISTINCT customer_id FROM touched WHERE customer_id IS NOT NULL);
    PERFORM FROM customers_customer WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_runcustomer.customer_id refers to a row that customers_customer lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_runcustomer', COLUMN = 'customer_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION invoicing_runcustomer_refers_anew() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    held bigint;
BEGIN
    IF NEW.run_id IS DISTINCT FROM OLD.run_id THEN
    ids := array_remove(ARRAY[NEW.run_id], NULL);
    PERFORM FROM invoicing_billingrun WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_runcustomer.run_id refers to a row that invoicing_billingrun lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_runcustomer', COLUMN = 'run_id';
    END IF;
    END IF;
    IF NEW.shard_id IS DISTINCT FROM OLD.shard_id THEN
    ids := array_remove(ARRAY[NEW.shard_id], NULL);
    PERFORM FROM invoicing_runshard WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_runcustomer.shard_id refers to a row that invoicing_runshard lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_runcustomer', COLUMN = 'shard_id';
    END IF;
    END IF;
    IF NEW.customer_id IS DISTINCT FROM OLD.customer_id THEN
    ids := array_remove(ARRAY[NEW.customer_id], NULL);
    PERFORM FROM customers_customer WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held <> cardinality(ids) THEN
        RAISE EXCEPTION 'invoicing_runcustomer.customer_id refers to a row that customers_customer lacks.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_runcustomer', COLUMN = 'customer_id';
    END IF;
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION customers_billingapp_referred() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE FUNCTION customers_billingprofile_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoice child ON child.profile_id = gone.id) THEN
        RAISE EXCEPTION 'A row of customers_billingprofile can''t be deleted: invoicing_invoice.profile_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'profile_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION customers_customer_referred() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE FUNCTION customers_supplier_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoice child ON child.supplier_id = gone.id) THEN
        RAISE EXCEPTION 'A row of customers_supplier can''t be deleted: invoicing_invoice.supplier_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'supplier_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION invoicing_billingrun_referred() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE FUNCTION invoicing_invoice_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_payment child ON child.invoice_id = gone.id) THEN
        RAISE EXCEPTION 'A row of invoicing_invoice can''t be deleted: invoicing_payment.invoice_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_payment', COLUMN = 'invoice_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION invoicing_invoiceline_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoicedetailedline child ON child.line_id = gone.id) THEN
        RAISE EXCEPTION 'A row of invoicing_invoiceline can''t be deleted: invoicing_invoicedetailedline.line_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoicedetailedline', COLUMN = 'line_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION invoicing_numberseries_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoice child ON child.series_id = gone.id) THEN
        RAISE EXCEPTION 'A row of invoicing_numberseries can''t be deleted: invoicing_invoice.series_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoice', COLUMN = 'series_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION invoicing_runshard_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_runcustomer child ON child.shard_id = gone.id) THEN
        RAISE EXCEPTION 'A row of invoicing_runshard can''t be deleted: invoicing_runcustomer.shard_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_runcustomer', COLUMN = 'shard_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION subscriptions_itemrevision_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoiceline child ON child.revision_id = gone.id) THEN
        RAISE EXCEPTION 'A row of subscriptions_itemrevision can''t be deleted: invoicing_invoiceline.revision_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoiceline', COLUMN = 'revision_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION subscriptions_subscription_referred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN invoicing_invoiceline child ON child.subscription_id = gone.id) THEN
        RAISE EXCEPTION 'A row of subscriptions_subscription can''t be deleted: invoicing_invoiceline.subscription_id refers to it.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'invoicing_invoiceline', COLUMN = 'subscription_id';
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION subscriptions_subscriptionitem_referred() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER refers_on_insert AFTER INSERT ON invoicing_billedwindow REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION invoicing_billedwindow_refers()""",
    """\
CREATE TRIGGER refers_on_update AFTER UPDATE OF item_id ON invoicing_billedwindow FOR EACH ROW WHEN (NEW.item_id IS DISTINCT FROM OLD.item_id) EXECUTE FUNCTION invoicing_billedwindow_refers_anew()""",
    """\
CREATE TRIGGER refers_on_insert AFTER INSERT ON invoicing_invoice REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION invoicing_invoice_refers()""",
    """\
CREATE TRIGGER refers_on_update AFTER UPDATE OF customer_id, run_id, series_id, supplier_id, app_id, profile_id ON invoicing_invoice FOR EACH ROW WHEN (NEW.customer_id IS DISTINCT FROM OLD.customer_id OR NEW.run_id IS DISTINCT FROM OLD.run_id OR NEW.series_id IS DISTINCT FROM OLD.series_id OR NEW.supplier_id IS DISTINCT FROM OLD.supplier_id OR NEW.app_id IS DISTINCT FROM OLD.app_id OR NEW.profile_id IS DISTINCT FROM OLD.profile_id) EXECUTE FUNCTION invoicing_invoice_refers_anew()""",
    """\
CREATE TRIGGER refers_on_insert AFTER INSERT ON invoicing_invoicedetailedline REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION invoicing_invoicedetailedline_refers()""",
    """\
CREATE TRIGGER refers_on_update AFTER UPDATE OF line_id ON invoicing_invoicedetailedline FOR EACH ROW WHEN (NEW.line_id IS DISTINCT FROM OLD.line_id) EXECUTE FUNCTION invoicing_invoicedetailedline_refers_anew()""",
    """\
CREATE TRIGGER refers_on_insert AFTER INSERT ON invoicing_invoiceline REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION invoicing_invoiceline_refers()""",
    """\
CREATE TRIGGER refers_on_update AFTER UPDATE OF subscription_id, item_id, revision_id ON invoicing_invoiceline FOR EACH ROW WHEN (NEW.subscription_id IS DISTINCT FROM OLD.subscription_id OR NEW.item_id IS DISTINCT FROM OLD.item_id OR NEW.revision_id IS DISTINCT FROM OLD.revision_id) EXECUTE FUNCTION invoicing_invoiceline_refers_anew()""",
    """\
CREATE TRIGGER refers_on_insert AFTER INSERT ON invoicing_payment REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION invoicing_payment_refers()""",
    """\
CREATE TRIGGER refers_on_update AFTER UPDATE OF invoice_id, app_id ON invoicing_payment FOR EACH ROW WHEN (NEW.invoice_id IS DISTINCT FROM OLD.invoice_id OR NEW.app_id IS DISTINCT FROM OLD.app_id) EXECUTE FUNCTION invoicing_payment_refers_anew()""",
    """\
CREATE TRIGGER refers_on_insert AFTER INSERT ON invoicing_runcustomer REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION invoicing_runcustomer_refers()""",
    """\
CREATE TRIGGER refers_on_update AFTER UPDATE OF run_id, shard_id, customer_id ON invoicing_runcustomer FOR EACH ROW WHEN (NEW.run_id IS DISTINCT FROM OLD.run_id OR NEW.shard_id IS DISTINCT FROM OLD.shard_id OR NEW.customer_id IS DISTINCT FROM OLD.customer_id) EXECUTE FUNCTION invoicing_runcustomer_refers_anew()""",
    """\
CREATE TRIGGER referred_on_delete AFTER DELETE ON customers_billingapp REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION customers_billingapp_referred()""",
    """\
CREATE TRIGGER referred_by_id BEFORE UPDATE OF id ON customers_billingapp FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION core_refuse_other_id()""",
    """\
CREATE TRIGGER referred_on_delete AFTER DELETE ON customers_billingprofile REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION customers_billingprofile_referred()""",
    """\
CREATE TRIGGER referred_by_id BEFORE UPDATE OF id ON customers_billingprofile FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION core_refuse_other_id()""",
    """\
CREATE TRIGGER referred_on_delete AFTER DELETE ON customers_customer REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION customers_customer_referred()""",
    """\
CREATE TRIGGER referred_by_id BEFORE UPDATE OF id ON customers_customer FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION core_refuse_other_id()""",
    """\
CREATE TRIGGER referred_on_delete AFTER DELETE ON customers_supplier REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION customers_supplier_referred()""",
    """\
CREATE TRIGGER referred_by_id BEFORE UPDATE OF id ON customers_supplier FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION core_refuse_other_id()""",
    """\
CREATE TRIGGER referred_on_delete AFTER DELETE ON invoicing_billingrun REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION invoicing_billingrun_referred()""",
    """\
CREATE TRIGGER referred_by_id BEFORE UPDATE OF id ON invoicing_billingrun FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION core_refuse_other_id()""",
    """\
CREATE TRIGGER referred_on_delete AFTER DELETE ON invoicing_invoice REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION invoicing_invoice_referred()""",
    """\
CREATE TRIGGER referred_by_id BEFORE UPDATE OF id ON invoicing_invoice FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION core_refuse_other_id()""",
    """\
CREATE TRIGGER referred_on_delete AFTER DELETE ON invoicing_invoiceline REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION invoicing_invoiceline_referred()""",
    """\
CREATE TRIGGER referred_by_id BEFORE UPDATE OF id ON invoicing_invoiceline FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION core_refuse_other_id()""",
    """\
CREATE TRIGGER referred_on_delete AFTER DELETE ON invoicing_numberseries REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION invoicing_numberseries_referred()""",
    """\
CREATE TRIGGER referred_by_id BEFORE UPDATE OF id ON invoicing_numberseries FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION core_refuse_other_id()""",
    """\
CREATE TRIGGER referred_on_delete AFTER DELETE ON invoicing_runshard REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION invoicing_runshard_referred()""",
    """\
CREATE TRIGGER referred_by_id BEFORE UPDATE OF id ON invoicing_runshard FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION core_refuse_other_id()""",
    """\
CREATE TRIGGER referred_on_delete AFTER DELETE ON subscriptions_itemrevision REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_itemrevision_referred()""",
    """\
CREATE TRIGGER referred_by_id BEFORE UPDATE OF id ON subscriptions_itemrevision FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION core_refuse_other_id()""",
    """\
CREATE TRIGGER referred_on_delete AFTER DELETE ON subscriptions_subscription REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_subscription_referred()""",
    """\
CREATE TRIGGER referred_by_id BEFORE UPDATE OF id ON subscriptions_subscription FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION core_refuse_other_id()""",
    """\
CREATE TRIGGER referred_on_delete AFTER DELETE ON subscriptions_subscriptionitem REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_subscriptionitem_referred()""",
    """\
CREATE TRIGGER referred_by_id BEFORE UPDATE OF id ON subscriptions_subscriptionitem FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION core_refuse_other_id()""",
]
BACKWARD = [
    "DROP TRIGGER refers_on_insert ON invoicing_billedwindow",
    "DROP TRIGGER refers_on_update ON invoicing_billedwindow",
    "DROP TRIGGER refers_on_insert ON invoicing_invoice",
    "DROP TRIGGER refers_on_update ON invoicing_invoice",
    "DROP TRIGGER refers_on_insert ON invoicing_invoicedetailedline",
    "DROP TRIGGER refers_on_update ON invoicing_invoicedetailedline",
    "DROP TRIGGER refers_on_insert ON invoicing_invoiceline",
    "DROP TRIGGER refers_on_update ON invoicing_invoiceline",
    "DROP TRIGGER refers_on_insert ON invoicing_payment",
    "DROP TRIGGER refers_on_update ON invoicing_payment",
    "DROP TRIGGER refers_on_insert ON invoicing_runcustomer",
    "DROP TRIGGER refers_on_update ON invoicing_runcustomer",
    "DROP TRIGGER referred_on_delete ON customers_billingapp",
    "DROP TRIGGER referred_by_id ON customers_billingapp",
    "DROP TRIGGER referred_on_delete ON customers_billingprofile",
    "DROP TRIGGER referred_by_id ON customers_billingprofile",
    "DROP TRIGGER referred_on_delete ON customers_customer",
    "DROP TRIGGER referred_by_id ON customers_customer",
    "DROP TRIGGER referred_on_delete ON customers_supplier",
    "DROP TRIGGER referred_by_id ON customers_supplier",
    "DROP TRIGGER referred_on_delete ON invoicing_billingrun",
    "DROP TRIGGER referred_by_id ON invoicing_billingrun",
    "DROP TRIGGER referred_on_delete ON invoicing_invoice",
    "DROP TRIGGER referred_by_id ON invoicing_invoice",
    "DROP TRIGGER referred_on_delete ON invoicing_invoiceline",
    "DROP TRIGGER referred_by_id ON invoicing_invoiceline",
    "DROP TRIGGER referred_on_delete ON invoicing_numberseries",
    "DROP TRIGGER referred_by_id ON invoicing_numberseries",
    "DROP TRIGGER referred_on_delete ON invoicing_runshard",
    "DROP TRIGGER referred_by_id ON invoicing_runshard",
    "DROP TRIGGER referred_on_delete ON subscriptions_itemrevision",
    "DROP TRIGGER referred_by_id ON subscriptions_itemrevision",
    "DROP TRIGGER referred_on_delete ON subscriptions_subscription",
    "DROP TRIGGER referred_by_id ON subscriptions_subscription",
    "DROP TRIGGER referred_on_delete ON subscriptions_subscriptionitem",
    "DROP TRIGGER referred_by_id ON subscriptions_subscriptionitem",
    "DROP FUNCTION core_refuse_other_id",
    "DROP FUNCTION invoicing_billedwindow_refers",
    "DROP FUNCTION invoicing_billedwindow_refers_anew",
    "DROP FUNCTION invoicing_invoice_refers",
    "DROP FUNCTION invoicing_invoice_refers_anew",
    "DROP FUNCTION invoicing_invoicedetailedline_refers",
    "DROP FUNCTION invoicing_invoicedetailedline_refers_anew",
    "DROP FUNCTION invoicing_invoiceline_refers",
    "DROP FUNCTION invoicing_invoiceline_refers_anew",
    "DROP FUNCTION invoicing_payment_refers",
    "DROP FUNCTION invoicing_payment_refers_anew",
    "DROP FUNCTION invoicing_runcustomer_refers",
    "DROP FUNCTION invoicing_runcustomer_refers_anew",
    "DROP FUNCTION customers_billingapp_referred",
    "DROP FUNCTION customers_billingprofile_referred",
    "DROP FUNCTION customers_customer_referred",
    "DROP FUNCTION customers_supplier_referred",
    "DROP FUNCTION invoicing_billingrun_referred",
    "DROP FUNCTION invoicing_invoice_referred",
    "DROP FUNCTION invoicing_invoiceline_referred",
    "DROP FUNCTION invoicing_numberseries_referred",
    "DROP FUNCTION invoicing_runshard_referred",
    "DROP FUNCTION subscriptions_itemrevision_referred",
    "DROP FUNCTION subscriptions_subscription_referred",
    "DROP FUNCTION subscriptions_subscriptionitem_referred",
]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("customers", "0009_lists_at_size"),
        ("invoicing", "0036_shards_alone"),
        ("subscriptions", "0012_indexes_that_others_begin_with"),
    ]

    operations = [
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.AlterField(
            model_name="billedwindow",
            name="item",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="billed_windows",
                to="subscriptions.subscriptionitem",
            ),
        ),
        migrations.AlterField(
            model_name="invoice",
            name="app",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="invoices",
                to="customers.billingapp",
            ),
        ),
        migrations.AlterField(
            model_name="invoice",
            name="customer",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="invoices",
                to="customers.customer",
            ),
        ),
        migrations.AlterField(
            model_name="invoice",
            name="profile",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="invoices",
                to="customers.billingprofile",
            ),
        ),
        migrations.AlterField(
            model_name="invoice",
            name="run",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="invoices",
                to="invoicing.billingrun",
            ),
        ),
        migrations.AlterField(
            model_name="invoice",
            name="series",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="invoices",
                to="invoicing.numberseries",
            ),
        ),
        migrations.AlterField(
            model_name="invoice",
            name="supplier",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="invoices",
                to="customers.supplier",
            ),
        ),
        migrations.AlterField(
            model_name="invoicedetailedline",
            name="line",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="detailed_lines",
                to="invoicing.invoiceline",
            ),
        ),
        migrations.AlterField(
            model_name="invoiceline",
            name="item",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="invoice_lines",
                to="subscriptions.subscriptionitem",
            ),
        ),
        migrations.AlterField(
            model_name="invoiceline",
            name="revision",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="subscriptions.itemrevision",
            ),
        ),
        migrations.AlterField(
            model_name="invoiceline",
            name="subscription",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="invoice_lines",
                to="subscriptions.subscription",
            ),
        ),
        migrations.AlterField(
            model_name="payment",
            name="app",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="payments",
                to="customers.billingapp",
            ),
        ),
        migrations.AlterField(
            model_name="payment",
            name="invoice",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="payments",
                to="invoicing.invoice",
            ),
        ),
        migrations.AlterField(
            model_name="runcustomer",
            name="customer",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="run_rows",
                to="customers.customer",
            ),
        ),
        migrations.AlterField(
            model_name="runcustomer",
            name="run",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="customers",
                to="invoicing.billingrun",
            ),
        ),
        migrations.AlterField(
            model_name="runcustomer",
            name="shard",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="customers",
                to="invoicing.runshard",
            ),
        ),
    ]
