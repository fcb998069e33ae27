"""Look whether an invoice is issued only after it is locked.

PostgreSQL pushed the condition below the lock of a subquery: it looked first, found a draft, locked nothing, and a line
slipped onto an invoice that another transaction was issuing. It does not reach into a materialized query.
"""

from django.db import migrations

FORWARD = """
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
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0008_find_issued")]
    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
