"""The database itself keeps credit notes and the balance ledger append-only."""

from django.db import migrations

TABLES = ("invoicing_creditnote", "invoicing_creditnoteline", "invoicing_balanceentry")

FORWARD = """
CREATE FUNCTION invoicing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% takes inserts only.', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
""" + "".join(
    f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
    "FOR EACH STATEMENT EXECUTE FUNCTION invoicing_refuse_change();\n"
    for table in TABLES
)

BACKWARD = (
    "".join(f"DROP TRIGGER append_only ON {table};\n" for table in TABLES) + "DROP FUNCTION invoicing_refuse_change();"
)


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0004_credit_notes_balance_and_tax")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
