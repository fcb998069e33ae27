"""Events, their keys and their reversals are never changed in the database, on any partition; and it notes whose usage
a subject's is when that changes."""

from django.db import migrations, models

TRIGGERS = """
CREATE FUNCTION entitlements_keep_event_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND NOT EXISTS (
        SELECT 1 FROM entitlements_usageevent e WHERE e.id = OLD.stored_as AND e.time = OLD.time) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'A key is never changed, and stays as long as its event is kept.'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE FUNCTION entitlements_note_subject_change() RETURNS trigger LANGUAGE plpgsql AS $$
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
END $$;
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON entitlements_usageevent
    FOR EACH ROW EXECUTE FUNCTION entitlements_refuse_change();
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON entitlements_eventreversal
    FOR EACH ROW EXECUTE FUNCTION entitlements_refuse_change();
CREATE TRIGGER kept_with_event BEFORE UPDATE OR DELETE ON entitlements_usageeventkey
    FOR EACH ROW EXECUTE FUNCTION entitlements_keep_event_keys();
CREATE TRIGGER note_subject_change AFTER INSERT OR UPDATE OR DELETE ON customers_usagesubject
    FOR EACH ROW EXECUTE FUNCTION entitlements_note_subject_change();
"""
NO_TRIGGERS = """
DROP TRIGGER note_subject_change ON customers_usagesubject;
DROP TRIGGER kept_with_event ON entitlements_usageeventkey;
DROP TRIGGER never_changed ON entitlements_eventreversal;
DROP TRIGGER never_changed ON entitlements_usageevent;
DROP FUNCTION entitlements_note_subject_change;
DROP FUNCTION entitlements_keep_event_keys;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0009_lists_at_size"),
        ("entitlements", "0009_resets_usage"),
    ]

    operations = [
        migrations.CreateModel(
            name="SubjectChange",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("subject", models.CharField(max_length=256)),
                ("since", models.DateTimeField(null=True)),
            ],
        ),
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
    ]
