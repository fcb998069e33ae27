"""Spending is looked at where other terms, or a release, may have let it reach its threshold (billing rules 7)."""

from django.db import migrations

FORWARD = [
    """\
CREATE FUNCTION invoicing_watch_again(customers uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO entitlements_spendingchange (customer_id)
    SELECT DISTINCT due.customer_id
    FROM invoicing_billingdue due
    LEFT JOIN customers_customeroverride own ON own.customer_id = due.customer_id
    JOIN customers_billingprofile profile
        ON profile.id = own.billing_profile_id OR (own.billing_profile_id IS NULL AND profile.is_default)
    WHERE due.customer_id = ANY(customers)
        AND COALESCE(own.progressive_billing, profile.progressive_billing)
        AND COALESCE(own.progressive_threshold, profile.progressive_threshold) IS NOT NULL
        AND due.currency
            = COALESCE(NULLIF(own.progressive_threshold_currency, ''), profile.progressive_threshold_currency)
    ORDER BY due.customer_id;
END $$""",
    """\
CREATE OR REPLACE FUNCTION invoicing_follow_overrides() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM invoicing_look_again(ARRAY(SELECT DISTINCT customer_id FROM touched));
    PERFORM invoicing_watch_again(ARRAY(SELECT DISTINCT customer_id FROM touched));
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION invoicing_follow_profiles() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed uuid[] := ARRAY(
        SELECT touched.id FROM touched JOIN touched_before before ON before.id = touched.id
        WHERE (touched.is_default, touched.collection_alignment, touched.collection_cadence, touched.collection_anchor)
            IS DISTINCT FROM
            (before.is_default, before.collection_alignment, before.collection_cadence, before.collection_anchor));
    defaults boolean := EXISTS (
        SELECT FROM (SELECT id, is_default FROM touched UNION ALL SELECT id, is_default FROM touched_before) each
        WHERE each.is_default AND each.id = ANY(changed));
    -- Those whose spending is to be looked at from now on, or for less.
    watched uuid[] := ARRAY(
        SELECT touched.id FROM touched JOIN touched_before before ON before.id = touched.id
        WHERE touched.progressive_billing AND touched.progressive_threshold IS NOT NULL
            AND (before.progressive_threshold IS NULL OR touched.progressive_threshold < before.progressive_threshold
                OR touched.progressive_threshold_currency <> before.progressive_threshold_currency
                OR NOT before.progressive_billing OR touched.is_default <> before.is_default));
BEGIN
    IF cardinality(changed) > 0 THEN
        PERFORM invoicing_look_again(ARRAY(
            SELECT DISTINCT due.customer_id
            FROM invoicing_billingdue due
            LEFT JOIN customers_customeroverride own ON own.customer_id = due.customer_id
            WHERE own.billing_profile_id = ANY(changed) OR (defaults AND own.billing_profile_id IS NULL)));
    END IF;
    IF cardinality(watched) > 0 THEN
        PERFORM invoicing_watch_again(ARRAY(
            SELECT DISTINCT due.customer_id
            FROM invoicing_billingdue due
            LEFT JOIN customers_customeroverride own ON own.customer_id = due.customer_id
            JOIN customers_billingprofile profile ON profile.id = ANY(watched)
                AND (own.billing_profile_id = profile.id OR (profile.is_default AND own.billing_profile_id IS NULL))));
    END IF;
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION invoicing_note_released() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO invoicing_lateusagelook (customer_id, since, until)
    SELECT late.customer_id, min(late.period_start), max(late.period_end)
    FROM touched JOIN touched_before before ON before.id = touched.id
    JOIN invoicing_lateusagecase late ON late.customer_id = touched.customer_id AND late.state = 'open'
    WHERE before.released_at IS NULL AND touched.released_at IS NOT NULL
    GROUP BY late.customer_id;
    PERFORM invoicing_watch_again(ARRAY(
        SELECT DISTINCT touched.customer_id
        FROM touched JOIN touched_before before ON before.id = touched.id
        WHERE before.released_at IS NULL AND touched.released_at IS NOT NULL));
    RETURN NULL;
END $$""",
]
BACKWARD = [
    """\
CREATE OR REPLACE FUNCTION invoicing_follow_overrides() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM invoicing_look_again(ARRAY(SELECT DISTINCT customer_id FROM touched));
    RETURN NULL;
END $$""",
    """\
CREATE OR REPLACE FUNCTION invoicing_follow_profiles() RETURNS trigger LANGUAGE plpgsql AS $$
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
END $$""",
    """\
CREATE OR REPLACE FUNCTION invoicing_note_released() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO invoicing_lateusagelook (customer_id, since, until)
    SELECT late.customer_id, min(late.period_start), max(late.period_end)
    FROM touched JOIN touched_before before ON before.id = touched.id
    JOIN invoicing_lateusagecase late ON late.customer_id = touched.customer_id AND late.state = 'open'
    WHERE before.released_at IS NULL AND touched.released_at IS NOT NULL
    GROUP BY late.customer_id;
    RETURN NULL;
END $$""",
    "DROP FUNCTION invoicing_watch_again(uuid[])",
]


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0011_past_subjects"),
        ("entitlements", "0014_spending_changes"),
        ("invoicing", "0051_late_usage_looks"),
    ]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
