"""The database itself keeps write-offs append-only, like the other ledgers."""

from django.db import migrations

FORWARD = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON invoicing_writeoff
    FOR EACH STATEMENT EXECUTE FUNCTION invoicing_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0006_payments_refunds_statements")]
    operations = [migrations.RunSQL(FORWARD, "DROP TRIGGER append_only ON invoicing_writeoff;")]
