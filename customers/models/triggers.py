"""What keeps one billing profile the default in the database, as it stands now."""

from core.triggers import Function, Trigger

FUNCTIONS = (
    Function(
        "customers_keep_a_default_profile",
        body="""\
BEGIN
    IF EXISTS (SELECT 1 FROM customers_billingprofile)
        AND NOT EXISTS (SELECT 1 FROM customers_billingprofile WHERE is_default) THEN
        RAISE EXCEPTION 'There must be a default billing profile.' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END""",
    ),
)

TRIGGERS = (
    Trigger(
        "keep_a_default_profile",
        table="customers_billingprofile",
        on="AFTER UPDATE OR DELETE",
        constraint=True,
        how="DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.is_default)",
        function="customers_keep_a_default_profile",
    ),
)
