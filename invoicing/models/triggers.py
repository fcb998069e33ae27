"""What keeps issued documents and ledgers unchanged in the database, and windows apart, as it stands now (billing
rules 6 and 13)."""

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
)

TRIGGERS = (
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
)
