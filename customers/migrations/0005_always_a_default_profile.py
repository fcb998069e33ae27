"""The database itself keeps one profile the default: whoever leaves none when they commit is refused.

An installation without any profile is let be: that is how a new one begins.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION customers_keep_a_default_profile() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM customers_billingprofile)
        AND NOT EXISTS (SELECT 1 FROM customers_billingprofile WHERE is_default) THEN
        RAISE EXCEPTION 'There must be a default billing profile.' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER keep_a_default_profile AFTER UPDATE OR DELETE ON customers_billingprofile
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.is_default)
    EXECUTE FUNCTION customers_keep_a_default_profile();
"""

BACKWARD = """
DROP TRIGGER keep_a_default_profile ON customers_billingprofile;
DROP FUNCTION customers_keep_a_default_profile();
"""


class Migration(migrations.Migration):
    dependencies = [("customers", "0004_whole_workflow")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
