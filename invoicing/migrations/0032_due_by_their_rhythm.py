"""Whoever is collected by other terms from now on is looked at again when what waits for them falls due."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION invoicing_look_again(affected uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH early AS MATERIALIZED (
        SELECT due.id, bills.at
        FROM invoicing_billingdue due JOIN (
            SELECT customer_id, currency, min(next_billing_at) AS at
            FROM subscriptions_subscription
            WHERE customer_id = ANY(affected) AND next_billing_at IS NOT NULL
            GROUP BY customer_id, currency
        ) bills ON bills.customer_id = due.customer_id AND bills.currency = due.currency
        WHERE due.due_at > bills.at
        ORDER BY due.customer_id, due.currency FOR UPDATE OF due
    )
    UPDATE invoicing_billingdue due SET due_at = early.at FROM early WHERE due.id = early.id;
END $$;
CREATE FUNCTION invoicing_follow_overrides() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM invoicing_look_again(ARRAY(SELECT DISTINCT customer_id FROM touched));
    RETURN NULL;
END $$;
CREATE FUNCTION invoicing_follow_profiles() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed uuid[] := ARRAY(
        SELECT touched.id FROM touched JOIN touched_before before ON before.id = touched.id
        WHERE (touched.is_default, touched.collection_alignment, touched.collection_cadence, touched.collection_anchor)
            IS DISTINCT FROM
            (before.is_default, before.collection_alignment, before.collection_cadence, before.collection_anchor));
    defaults boolean := EXISTS (
        SELECT FROM (SELECT id, is_default FROM touched UNION ALL SELECT id, is_default FROM touched_before) each
        WHERE each.is_default AND each.id = ANY(changed));
BEGIN
    IF cardinality(changed) > 0 THEN
        PERFORM invoicing_look_again(ARRAY(
            SELECT DISTINCT due.customer_id
            FROM invoicing_billingdue due
            LEFT JOIN customers_customeroverride own ON own.customer_id = due.customer_id
            WHERE own.billing_profile_id = ANY(changed) OR (defaults AND own.billing_profile_id IS NULL)));
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION invoicing_follow_zones() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM invoicing_look_again(ARRAY(
        SELECT touched.id FROM touched JOIN touched_before before ON before.id = touched.id
        WHERE touched.time_zone <> before.time_zone));
    RETURN NULL;
END $$;
CREATE TRIGGER follow_on_insert AFTER INSERT ON customers_customeroverride
    REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION invoicing_follow_overrides();
CREATE TRIGGER follow_on_update AFTER UPDATE ON customers_customeroverride
    REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION invoicing_follow_overrides();
CREATE TRIGGER follow_on_delete AFTER DELETE ON customers_customeroverride
    REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION invoicing_follow_overrides();
CREATE TRIGGER follow_rhythm AFTER UPDATE ON customers_billingprofile
    REFERENCING OLD TABLE AS touched_before NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION invoicing_follow_profiles();
CREATE TRIGGER follow_time_zone AFTER UPDATE ON customers_customer
    REFERENCING OLD TABLE AS touched_before NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION invoicing_follow_zones();
"""
BACKWARD = """
DROP TRIGGER follow_on_insert ON customers_customeroverride;
DROP TRIGGER follow_on_update ON customers_customeroverride;
DROP TRIGGER follow_on_delete ON customers_customeroverride;
DROP TRIGGER follow_rhythm ON customers_billingprofile;
DROP TRIGGER follow_time_zone ON customers_customer;
DROP FUNCTION invoicing_follow_zones;
DROP FUNCTION invoicing_follow_profiles;
DROP FUNCTION invoicing_follow_overrides;
DROP FUNCTION invoicing_look_again;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0008_overrides_and_pins"),
        ("subscriptions", "0010_untouched_periods_of_coupons"),
        ("invoicing", "0031_ended_dunning"),
    ]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
