"""The database itself keeps issued invoices and their lines unchanged (billing rules 6)."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION invoicing_freeze_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
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
END $$;

CREATE TRIGGER freeze_issued BEFORE UPDATE OR DELETE ON invoicing_invoice
    FOR EACH ROW WHEN (OLD.issued_at IS NOT NULL) EXECUTE FUNCTION invoicing_freeze_invoice();

-- Locks the invoices first, in id order: otherwise a line could slip in while another transaction issues.
CREATE FUNCTION invoicing_refuse_if_issued(touched uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    frozen text;
BEGIN
    SELECT locked.number INTO frozen
    FROM (
        SELECT number, issued_at FROM invoicing_invoice WHERE id = ANY(touched) ORDER BY id FOR SHARE
    ) AS locked
    WHERE locked.issued_at IS NOT NULL
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Invoice % is issued: its lines can''t be changed.', frozen
            USING ERRCODE = 'restrict_violation';
    END IF;
END $$;

CREATE FUNCTION invoicing_freeze_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM invoicing_refuse_if_issued(ARRAY(SELECT DISTINCT invoice_id FROM touched));
    RETURN NULL;
END $$;

CREATE FUNCTION invoicing_freeze_updated_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM invoicing_refuse_if_issued(
        ARRAY(SELECT invoice_id FROM touched UNION SELECT invoice_id FROM touched_after));
    RETURN NULL;
END $$;

CREATE TRIGGER freeze_on_insert AFTER INSERT ON invoicing_invoiceline
    REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION invoicing_freeze_lines();
CREATE TRIGGER freeze_on_update AFTER UPDATE ON invoicing_invoiceline
    REFERENCING OLD TABLE AS touched NEW TABLE AS touched_after
    FOR EACH STATEMENT EXECUTE FUNCTION invoicing_freeze_updated_lines();
CREATE TRIGGER freeze_on_delete AFTER DELETE ON invoicing_invoiceline
    REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION invoicing_freeze_lines();

CREATE FUNCTION invoicing_freeze_details() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM invoicing_refuse_if_issued(ARRAY(
        SELECT DISTINCT line.invoice_id FROM touched JOIN invoicing_invoiceline line ON line.id = touched.line_id));
    RETURN NULL;
END $$;

CREATE FUNCTION invoicing_freeze_updated_details() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM invoicing_refuse_if_issued(ARRAY(
        SELECT line.invoice_id FROM touched JOIN invoicing_invoiceline line ON line.id = touched.line_id
        UNION
        SELECT line.invoice_id FROM touched_after JOIN invoicing_invoiceline line ON line.id = touched_after.line_id));
    RETURN NULL;
END $$;

CREATE TRIGGER freeze_on_insert AFTER INSERT ON invoicing_invoicedetailedline
    REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION invoicing_freeze_details();
CREATE TRIGGER freeze_on_update AFTER UPDATE ON invoicing_invoicedetailedline
    REFERENCING OLD TABLE AS touched NEW TABLE AS touched_after
    FOR EACH STATEMENT EXECUTE FUNCTION invoicing_freeze_updated_details();
CREATE TRIGGER freeze_on_delete AFTER DELETE ON invoicing_invoicedetailedline
    REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION invoicing_freeze_details();
"""

BACKWARD = """
DROP TRIGGER freeze_on_delete ON invoicing_invoicedetailedline;
DROP TRIGGER freeze_on_update ON invoicing_invoicedetailedline;
DROP TRIGGER freeze_on_insert ON invoicing_invoicedetailedline;
DROP FUNCTION invoicing_freeze_updated_details();
DROP FUNCTION invoicing_freeze_details();
DROP TRIGGER freeze_on_delete ON invoicing_invoiceline;
DROP TRIGGER freeze_on_update ON invoicing_invoiceline;
DROP TRIGGER freeze_on_insert ON invoicing_invoiceline;
DROP FUNCTION invoicing_freeze_updated_lines();
DROP FUNCTION invoicing_freeze_lines();
DROP FUNCTION invoicing_refuse_if_issued(uuid[]);
DROP TRIGGER freeze_issued ON invoicing_invoice;
DROP FUNCTION invoicing_freeze_invoice();
"""


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
