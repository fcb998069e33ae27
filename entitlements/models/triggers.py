"""What keeps grants and resets as they were given in the database, as it stands now."""

from core.triggers import Function, Trigger

FUNCTIONS = (
    Function(
        "entitlements_refuse_change",
        body="""\
BEGIN
    RAISE EXCEPTION 'Rows of % are facts: they are never changed or deleted.', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END""",
    ),
    Function(
        "entitlements_only_void",
        body="""\
BEGIN
    IF OLD.voided_at IS NOT NULL AND NEW.voided_at IS DISTINCT FROM OLD.voided_at
        OR to_jsonb(NEW) - '{voided_at,updated_at}'::text[] <> to_jsonb(OLD) - '{voided_at,updated_at}'::text[] THEN
        RAISE EXCEPTION 'A grant is a fact: it can be voided, once, and not be changed.'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END""",
    ),
)

TRIGGERS = (
    Trigger(
        "append_only",
        table="entitlements_entitlementreset",
        on="BEFORE UPDATE OR DELETE",
        how="FOR EACH ROW",
        function="entitlements_refuse_change",
    ),
    Trigger(
        "never_deleted",
        table="entitlements_grant",
        on="BEFORE DELETE",
        how="FOR EACH ROW",
        function="entitlements_refuse_change",
    ),
    Trigger(
        "only_voided",
        table="entitlements_grant",
        on="BEFORE UPDATE",
        how="FOR EACH ROW",
        function="entitlements_only_void",
    ),
)
