"""Somebody's entitlement to a feature is looked at by a row with a due time, which whatever changes it makes due."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

TRIGGERS = """
CREATE FUNCTION entitlements_note_entitlement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO entitlements_entitlementchange (customer_id, feature_key, at, reset)
    VALUES (NEW.customer_id, NEW.feature_key, NEW.updated_at,
        CASE WHEN TG_OP = 'INSERT' AND NEW.continues_id IS NOT NULL THEN NEW.active_from END);
    RETURN NULL;
END $$;
CREATE FUNCTION entitlements_note_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO entitlements_entitlementchange (customer_id, feature_key, at)
    SELECT customer_id, feature_key, NEW.updated_at FROM entitlements_entitlement WHERE id = NEW.entitlement_id;
    RETURN NULL;
END $$;
CREATE FUNCTION entitlements_note_reset() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO entitlements_entitlementchange (customer_id, feature_key, at, reset)
    SELECT customer_id, feature_key, NEW.created_at, NEW.at FROM entitlements_entitlement WHERE id = NEW.entitlement_id;
    RETURN NULL;
END $$;
CREATE TRIGGER note_change AFTER INSERT OR UPDATE ON entitlements_entitlement
    FOR EACH ROW WHEN (NEW.type = 'metered') EXECUTE FUNCTION entitlements_note_entitlement();
CREATE TRIGGER note_change AFTER INSERT OR UPDATE ON entitlements_grant
    FOR EACH ROW EXECUTE FUNCTION entitlements_note_grant();
CREATE TRIGGER note_change AFTER INSERT ON entitlements_entitlementreset
    FOR EACH ROW EXECUTE FUNCTION entitlements_note_reset();
"""
NO_TRIGGERS = """
DROP TRIGGER note_change ON entitlements_entitlement;
DROP TRIGGER note_change ON entitlements_grant;
DROP TRIGGER note_change ON entitlements_entitlementreset;
DROP FUNCTION entitlements_note_reset;
DROP FUNCTION entitlements_note_grant;
DROP FUNCTION entitlements_note_entitlement;
"""
# Those that are there are looked at once, soon: what has been before is not told.
EXISTING = """
INSERT INTO entitlements_entitlementdue (customer_id, feature_key, due_at, seen_to, resets)
SELECT DISTINCT customer_id, feature_key, now(), now(), '{}'::timestamptz[]
FROM entitlements_entitlement
WHERE type = 'metered' AND (active_to IS NULL OR active_to > now() AND active_to > active_from)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0009_lists_at_size"),
        ("entitlements", "0010_events_stay"),
    ]

    operations = [
        migrations.CreateModel(
            name="EntitlementDue",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("feature_key", models.CharField(max_length=64)),
                ("due_at", models.DateTimeField(null=True)),
                ("seen_to", models.DateTimeField()),
                (
                    "resets",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.DateTimeField(), default=list, size=None
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="customers.customer",
                    ),
                ),
            ],
            options={
                "ordering": ["due_at", "id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("due_at__isnull", False)),
                        fields=["due_at", "id"],
                        name="entitlement_due_by_time",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("customer", "feature_key"), name="entitlement_due_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="EntitlementChange",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("customer_id", models.UUIDField()),
                ("feature_key", models.CharField(max_length=64)),
                ("at", models.DateTimeField()),
                ("reset", models.DateTimeField(null=True)),
            ],
        ),
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
        migrations.RunSQL(EXISTING, migrations.RunSQL.noop),
    ]
