"""Owns what the database notes by itself when rows change, whoever changes them: whom a change makes due, of which
invoices other programs are to be told, where late usage is to be looked for, and whose spending is to be looked at."""

from core.triggers import Function, Trigger

FUNCTIONS = (
    Function(
        "invoicing_wake_new",
        body="""\
BEGIN
    INSERT INTO invoicing_billingdue AS due (customer_id, currency, due_at)
    SELECT touched.customer_id, touched.currency, min(touched.next_billing_at)
    FROM touched
    WHERE touched.next_billing_at IS NOT NULL
    GROUP BY touched.customer_id, touched.currency
    ORDER BY touched.customer_id, touched.currency
    ON CONFLICT (customer_id, currency) DO UPDATE SET due_at = LEAST(due.due_at, EXCLUDED.due_at);
    RETURN NULL;
END""",
    ),
    Function(
        "invoicing_wake_changed",
        body="""\
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
END""",
    ),
    # Other terms may collect earlier: whoever has them is looked at when what waits falls due, whichever rhythm that is
    # collected on then. In the order of the rows' key, as in a close, so that nobody waits in a ring.
    Function(
        "invoicing_look_again",
        arguments="affected uuid[]",
        returns="void",
        body="""\
BEGIN
    WITH early AS MATERIALIZED (
        SELECT due.id, bills.at
        FROM invoicing_billingdue due JOIN (
            SELECT customer_id, currency, min(falls_due) AS at
            FROM (
                SELECT customer_id, currency, next_billing_at AS falls_due
                FROM subscriptions_subscription
                WHERE customer_id = ANY(affected) AND next_billing_at IS NOT NULL
                UNION ALL
                SELECT gathering.customer_id, line.currency, line.invoice_at
                FROM invoicing_invoice gathering JOIN invoicing_invoiceline line ON line.invoice_id = gathering.id
                WHERE gathering.customer_id = ANY(affected) AND gathering.status = 'gathering'
                    AND line.managed_by = 'manual' AND line.deleted_at IS NULL
            ) what
            GROUP BY customer_id, currency
        ) bills ON bills.customer_id = due.customer_id AND bills.currency = due.currency
        WHERE due.due_at > bills.at
        ORDER BY due.customer_id, due.currency FOR UPDATE OF due
    )
    UPDATE invoicing_billingdue due SET due_at = early.at FROM early WHERE due.id = early.id;
END""",
    ),
    # Under other terms what was used already may have reached the threshold: nobody waits for the next usage (billing
    # rules 7). Only who is billed for something in its currency.
    Function(
        "invoicing_watch_again",
        arguments="customers uuid[]",
        returns="void",
        body="""\
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
END""",
    ),
    Function(
        "invoicing_follow_overrides",
        body="""\
BEGIN
    PERFORM invoicing_look_again(ARRAY(SELECT DISTINCT customer_id FROM touched));
    PERFORM invoicing_watch_again(ARRAY(SELECT DISTINCT customer_id FROM touched));
    RETURN NULL;
END""",
    ),
    Function(
        "invoicing_follow_profiles",
        body="""\
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
END""",
    ),
    Function(
        "invoicing_follow_zones",
        body="""\
BEGIN
    PERFORM invoicing_look_again(ARRAY(
        SELECT touched.id FROM touched JOIN touched_before before ON before.id = touched.id
        WHERE touched.time_zone <> before.time_zone));
    RETURN NULL;
END""",
    ),
    # What was reported after the snapshot of its period is late usage, whoever writes it.
    Function(
        "invoicing_note_late_reports",
        body="""\
BEGIN
    INSERT INTO invoicing_lateusagelook (customer_id, since, until)
    SELECT subscription.customer_id, min(touched.period_start), max(touched.period_start) + interval '1 microsecond'
    FROM touched
    JOIN subscriptions_subscriptionitem item ON item.id = touched.item_id
    JOIN subscriptions_subscription subscription ON subscription.id = item.subscription_id
    WHERE touched.late
    GROUP BY subscription.customer_id;
    RETURN NULL;
END""",
    ),
    # The late usage of who was parked has waited, and their spending: whoever is released has both looked at again.
    Function(
        "invoicing_note_released",
        body="""\
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
END""",
    ),
    # Whoever writes an invoice, a service or SQL, makes it known to those who asked for it by a rule; where none did,
    # the look at the rules is all. What is told of it is worked out afterwards, and keeps no close waiting.
    Function(
        "invoicing_tell_new",
        body="""\
BEGIN
    INSERT INTO invoicing_invoicenews (invoice_id, kind, at)
    SELECT touched.id, 'invoice.created', touched.updated_at
    FROM touched
    WHERE touched.status <> 'gathering' AND EXISTS (
        SELECT FROM notifications_rule WHERE type = 'invoice.created' AND deleted_at IS NULL AND NOT disabled)
    ORDER BY touched.id;
    RETURN NULL;
END""",
    ),
    Function(
        "invoicing_tell_changed",
        body="""\
BEGIN
    INSERT INTO invoicing_invoicenews (invoice_id, kind, at)
    SELECT touched.id, 'invoice.updated', touched.updated_at
    FROM touched JOIN touched_before before ON before.id = touched.id
    WHERE touched.status <> 'gathering' AND EXISTS (
        SELECT FROM notifications_rule WHERE type = 'invoice.updated' AND deleted_at IS NULL AND NOT disabled)
    AND (touched.status, touched.status_note, touched.number, touched.total, touched.due, touched.paid,
        touched.credited, touched.refunded, touched.moved_to_balance, touched.applied_from_balance,
        touched.written_off, touched.due_at, touched.draft_until, touched.collection_at, touched.voided_at)
    IS DISTINCT FROM (before.status, before.status_note, before.number, before.total, before.due, before.paid,
        before.credited, before.refunded, before.moved_to_balance, before.applied_from_balance,
        before.written_off, before.due_at, before.draft_until, before.collection_at, before.voided_at)
    ORDER BY touched.id;
    RETURN NULL;
END""",
    ),
)

TRIGGERS = (
    Trigger(
        "note_late_on_insert",
        table="subscriptions_quantityreport",
        on="AFTER INSERT",
        how="REFERENCING NEW TABLE AS touched FOR EACH STATEMENT",
        function="invoicing_note_late_reports",
    ),
    Trigger(
        "note_late_on_release",
        table="invoicing_parkedcustomer",
        on="AFTER UPDATE",
        how="""\
REFERENCING OLD TABLE AS touched_before NEW TABLE AS touched
    FOR EACH STATEMENT""",
        function="invoicing_note_released",
    ),
    Trigger(
        "tell_on_insert",
        table="invoicing_invoice",
        on="AFTER INSERT",
        how="REFERENCING NEW TABLE AS touched FOR EACH STATEMENT",
        function="invoicing_tell_new",
    ),
    Trigger(
        "tell_on_update",
        table="invoicing_invoice",
        on="AFTER UPDATE",
        how="""\
REFERENCING OLD TABLE AS touched_before NEW TABLE AS touched
    FOR EACH STATEMENT""",
        function="invoicing_tell_changed",
    ),
    Trigger(
        "wake_on_insert",
        table="subscriptions_subscription",
        on="AFTER INSERT",
        how="REFERENCING NEW TABLE AS touched FOR EACH STATEMENT",
        function="invoicing_wake_new",
    ),
    Trigger(
        "wake_on_update",
        table="subscriptions_subscription",
        on="AFTER UPDATE",
        how="""\
REFERENCING OLD TABLE AS touched_before NEW TABLE AS touched
    FOR EACH STATEMENT""",
        function="invoicing_wake_changed",
    ),
    Trigger(
        "follow_on_insert",
        table="customers_customeroverride",
        on="AFTER INSERT",
        how="REFERENCING NEW TABLE AS touched FOR EACH STATEMENT",
        function="invoicing_follow_overrides",
    ),
    Trigger(
        "follow_on_update",
        table="customers_customeroverride",
        on="AFTER UPDATE",
        how="REFERENCING NEW TABLE AS touched FOR EACH STATEMENT",
        function="invoicing_follow_overrides",
    ),
    Trigger(
        "follow_on_delete",
        table="customers_customeroverride",
        on="AFTER DELETE",
        how="REFERENCING OLD TABLE AS touched FOR EACH STATEMENT",
        function="invoicing_follow_overrides",
    ),
    Trigger(
        "follow_rhythm",
        table="customers_billingprofile",
        on="AFTER UPDATE",
        how="""\
REFERENCING OLD TABLE AS touched_before NEW TABLE AS touched
    FOR EACH STATEMENT""",
        function="invoicing_follow_profiles",
    ),
    Trigger(
        "follow_time_zone",
        table="customers_customer",
        on="AFTER UPDATE",
        how="""\
REFERENCING OLD TABLE AS touched_before NEW TABLE AS touched
    FOR EACH STATEMENT""",
        function="invoicing_follow_zones",
    ),
)
