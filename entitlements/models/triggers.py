"""What keeps grants, resets, events and their reversals as they came in the database, marks whose usage has moved, and
whose entitlements have to be looked at, as it stands now."""

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
    Function(
        "entitlements_keep_event_keys",
        body="""\
BEGIN
    IF TG_OP = 'DELETE' AND NOT EXISTS (
        SELECT 1 FROM entitlements_usageevent e WHERE e.id = OLD.stored_as AND e.time = OLD.time) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'A key is never changed, and stays as long as its event is kept.'
        USING ERRCODE = 'restrict_violation';
END""",
    ),
    Function(
        "entitlements_note_subject_change",
        body="""\
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO entitlements_subjectchange (subject, since) VALUES (OLD.key, OLD.active_from);
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.key, NEW.customer_id) = (OLD.key, OLD.customer_id)
            AND NEW.active_from IS NOT DISTINCT FROM OLD.active_from THEN
            IF NEW.deleted_at IS DISTINCT FROM OLD.deleted_at THEN
                INSERT INTO entitlements_subjectchange (subject, since)
                VALUES (NEW.key, least(NEW.deleted_at, OLD.deleted_at));
            END IF;
            RETURN NULL;
        END IF;
        INSERT INTO entitlements_subjectchange (subject, since) VALUES (OLD.key, NULL);
        IF NEW.key = OLD.key THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO entitlements_subjectchange (subject, since) VALUES (NEW.key, NEW.active_from);
    RETURN NULL;
END""",
    ),
    Function(
        "entitlements_note_entitlement",
        body="""\
BEGIN
    INSERT INTO entitlements_entitlementchange (customer_id, feature_key, at, reset)
    VALUES (NEW.customer_id, NEW.feature_key, NEW.updated_at,
        CASE WHEN TG_OP = 'INSERT' AND NEW.continues_id IS NOT NULL THEN NEW.active_from END);
    RETURN NULL;
END""",
    ),
    Function(
        "entitlements_note_grant",
        body="""\
BEGIN
    INSERT INTO entitlements_entitlementchange (customer_id, feature_key, at)
    SELECT customer_id, feature_key, NEW.updated_at FROM entitlements_entitlement WHERE id = NEW.entitlement_id;
    RETURN NULL;
END""",
    ),
    Function(
        "entitlements_note_reset",
        body="""\
BEGIN
    INSERT INTO entitlements_entitlementchange (customer_id, feature_key, at, reset)
    SELECT customer_id, feature_key, NEW.created_at, NEW.at FROM entitlements_entitlement WHERE id = NEW.entitlement_id;
    RETURN NULL;
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
    Trigger(
        "never_changed",
        table="entitlements_usageevent",
        on="BEFORE UPDATE OR DELETE",
        how="FOR EACH ROW",
        function="entitlements_refuse_change",
    ),
    Trigger(
        "never_changed",
        table="entitlements_eventreversal",
        on="BEFORE UPDATE OR DELETE",
        how="FOR EACH ROW",
        function="entitlements_refuse_change",
    ),
    Trigger(
        "never_changed",
        table="entitlements_droppedusage",
        on="BEFORE UPDATE OR DELETE",
        how="FOR EACH ROW",
        function="entitlements_refuse_change",
    ),
    Trigger(
        "kept_with_event",
        table="entitlements_usageeventkey",
        on="BEFORE UPDATE OR DELETE",
        how="FOR EACH ROW",
        function="entitlements_keep_event_keys",
    ),
    Trigger(
        "note_subject_change",
        table="customers_usagesubject",
        on="AFTER INSERT OR UPDATE OR DELETE",
        how="FOR EACH ROW",
        function="entitlements_note_subject_change",
    ),
    Trigger(
        "note_change",
        table="entitlements_entitlement",
        on="AFTER INSERT OR UPDATE",
        how="FOR EACH ROW WHEN (NEW.type = 'metered')",
        function="entitlements_note_entitlement",
    ),
    Trigger(
        "note_change",
        table="entitlements_grant",
        on="AFTER INSERT OR UPDATE",
        how="FOR EACH ROW",
        function="entitlements_note_grant",
    ),
    Trigger(
        "note_change",
        table="entitlements_entitlementreset",
        on="AFTER INSERT",
        how="FOR EACH ROW",
        function="entitlements_note_reset",
    ),
)
