"""What keeps issued documents and ledgers unchanged in the database, windows apart, who is due right, and what changes
known, as it stands now (billing rules 6 and 13)."""

from core.triggers import SEES_NEW_ROWS, Function, Trigger

FUNCTIONS = (
    Function(
        "invoicing_freeze_invoice",
        body="""\
DECLARE
    -- What may still change once an invoice is issued: its status, and what follows the money.
    loose text[] := ARRAY['status', 'status_note', 'updated_at', 'sent_to_customer_at', 'voided_at', 'credited',
        'paid', 'refunded', 'moved_to_balance', 'applied_from_balance', 'written_off', 'due', 'next_collection_at'];
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'Invoice % is issued and can''t be deleted.', OLD.number USING ERRCODE = 'restrict_violation';
    END IF;
    IF to_jsonb(OLD) - loose IS DISTINCT FROM to_jsonb(NEW) - loose THEN
        RAISE EXCEPTION 'Invoice % is issued and can''t be changed.', OLD.number USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END""",
    ),
    # Locks the invoices first, in id order: otherwise a line could slip in while another transaction issues.
    # Materialized: PostgreSQL would push the condition below the lock of a plain subquery, and look before it locks.
    Function(
        "invoicing_refuse_if_issued",
        arguments="touched uuid[]",
        returns="void",
        body=f"""\
DECLARE
    frozen text;
BEGIN
{SEES_NEW_ROWS}    WITH locked AS MATERIALIZED (
        SELECT number, issued_at FROM invoicing_invoice WHERE id = ANY(touched) ORDER BY id FOR SHARE
    )
    SELECT number INTO frozen FROM locked WHERE issued_at IS NOT NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Invoice % is issued: its lines can''t be changed.', frozen
            USING ERRCODE = 'restrict_violation';
    END IF;
END""",
    ),
    Function(
        "invoicing_freeze_lines",
        body="""\
BEGIN
    PERFORM invoicing_refuse_if_issued(ARRAY(SELECT DISTINCT invoice_id FROM touched));
    RETURN NULL;
END""",
    ),
    Function(
        "invoicing_freeze_updated_lines",
        body="""\
BEGIN
    PERFORM invoicing_refuse_if_issued(
        ARRAY(SELECT invoice_id FROM touched UNION SELECT invoice_id FROM touched_after));
    RETURN NULL;
END""",
    ),
    Function(
        "invoicing_freeze_details",
        body="""\
BEGIN
    PERFORM invoicing_refuse_if_issued(ARRAY(
        SELECT DISTINCT line.invoice_id FROM touched JOIN invoicing_invoiceline line ON line.id = touched.line_id));
    RETURN NULL;
END""",
    ),
    Function(
        "invoicing_freeze_updated_details",
        body="""\
BEGIN
    PERFORM invoicing_refuse_if_issued(ARRAY(
        SELECT line.invoice_id FROM touched JOIN invoicing_invoiceline line ON line.id = touched.line_id
        UNION
        SELECT line.invoice_id FROM touched_after JOIN invoicing_invoiceline line ON line.id = touched_after.line_id));
    RETURN NULL;
END""",
    ),
    Function(
        "invoicing_refuse_change",
        body="""\
BEGIN
    RAISE EXCEPTION '% takes inserts only.', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END""",
    ),
    # Two writers of one item's windows take turns by its row: each looks once the other has ended. Windows that stand
    # are apart from each other, so that of all that begin before a new one's end, only the last could reach into it;
    # two that begin at one moment are refused by the unique index.
    Function(
        "invoicing_refuse_overlaps",
        body=f"""\
DECLARE
    twice record;
BEGIN
{SEES_NEW_ROWS}    PERFORM FROM subscriptions_subscriptionitem
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
END""",
    ),
    # Whoever writes a subscription, a service or SQL, makes its customer due by its next billing, and never later than
    # they were. A close, which moves that on, sets its customers' times itself.
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
            SELECT customer_id, currency, min(next_billing_at) AS at
            FROM subscriptions_subscription
            WHERE customer_id = ANY(affected) AND next_billing_at IS NOT NULL
            GROUP BY customer_id, currency
        ) bills ON bills.customer_id = due.customer_id AND bills.currency = due.currency
        WHERE due.due_at > bills.at
        ORDER BY due.customer_id, due.currency FOR UPDATE OF due
    )
    UPDATE invoicing_billingdue due SET due_at = early.at FROM early WHERE due.id = early.id;
END""",
    ),
    Function(
        "invoicing_follow_overrides",
        body="""\
BEGIN
    PERFORM invoicing_look_again(ARRAY(SELECT DISTINCT customer_id FROM touched));
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
BEGIN
    IF cardinality(changed) > 0 THEN
        PERFORM invoicing_look_again(ARRAY(
            SELECT DISTINCT due.customer_id
            FROM invoicing_billingdue due
            LEFT JOIN customers_customeroverride own ON own.customer_id = due.customer_id
            WHERE own.billing_profile_id = ANY(changed) OR (defaults AND own.billing_profile_id IS NULL)));
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
        "freeze_issued",
        table="invoicing_invoice",
        on="BEFORE UPDATE OR DELETE",
        how="FOR EACH ROW WHEN (OLD.issued_at IS NOT NULL)",
        function="invoicing_freeze_invoice",
    ),
    Trigger(
        "freeze_on_insert",
        table="invoicing_invoiceline",
        on="AFTER INSERT",
        how="REFERENCING NEW TABLE AS touched FOR EACH STATEMENT",
        function="invoicing_freeze_lines",
    ),
    Trigger(
        "freeze_on_update",
        table="invoicing_invoiceline",
        on="AFTER UPDATE",
        how="""\
REFERENCING OLD TABLE AS touched NEW TABLE AS touched_after
    FOR EACH STATEMENT""",
        function="invoicing_freeze_updated_lines",
    ),
    Trigger(
        "freeze_on_delete",
        table="invoicing_invoiceline",
        on="AFTER DELETE",
        how="REFERENCING OLD TABLE AS touched FOR EACH STATEMENT",
        function="invoicing_freeze_lines",
    ),
    Trigger(
        "freeze_on_insert",
        table="invoicing_invoicedetailedline",
        on="AFTER INSERT",
        how="REFERENCING NEW TABLE AS touched FOR EACH STATEMENT",
        function="invoicing_freeze_details",
    ),
    Trigger(
        "freeze_on_update",
        table="invoicing_invoicedetailedline",
        on="AFTER UPDATE",
        how="""\
REFERENCING OLD TABLE AS touched NEW TABLE AS touched_after
    FOR EACH STATEMENT""",
        function="invoicing_freeze_updated_details",
    ),
    Trigger(
        "freeze_on_delete",
        table="invoicing_invoicedetailedline",
        on="AFTER DELETE",
        how="REFERENCING OLD TABLE AS touched FOR EACH STATEMENT",
        function="invoicing_freeze_details",
    ),
    Trigger(
        "append_only",
        table="invoicing_creditnote",
        on="BEFORE UPDATE OR DELETE",
        how="FOR EACH STATEMENT",
        function="invoicing_refuse_change",
    ),
    Trigger(
        "append_only",
        table="invoicing_creditnoteline",
        on="BEFORE UPDATE OR DELETE",
        how="FOR EACH STATEMENT",
        function="invoicing_refuse_change",
    ),
    Trigger(
        "append_only",
        table="invoicing_balanceentry",
        on="BEFORE UPDATE OR DELETE",
        how="FOR EACH STATEMENT",
        function="invoicing_refuse_change",
    ),
    Trigger(
        "append_only",
        table="invoicing_writeoff",
        on="BEFORE UPDATE OR DELETE",
        how="FOR EACH STATEMENT",
        function="invoicing_refuse_change",
    ),
    Trigger(
        "apart_on_insert",
        table="invoicing_billedwindow",
        on="AFTER INSERT",
        how="REFERENCING NEW TABLE AS touched FOR EACH STATEMENT",
        function="invoicing_refuse_overlaps",
    ),
    Trigger(
        "apart_on_update",
        table="invoicing_billedwindow",
        on="AFTER UPDATE",
        how="REFERENCING NEW TABLE AS touched FOR EACH STATEMENT",
        function="invoicing_refuse_overlaps",
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
