"""What was dropped of usage is remembered, so that none of it is taken again; and who was deleted before has no
entitlement given by hand any more."""

from django.db import migrations, models

import core.clock

NEVER_CHANGED = """
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON entitlements_droppedusage
    FOR EACH ROW EXECUTE FUNCTION entitlements_refuse_change();
"""
# Where the partition of all time before the months is gone, the first month that is left says what else is.
KNOWN = """
INSERT INTO entitlements_droppedusage (before, dropped_at)
SELECT min((regexp_match(bound, 'FROM \\(''([^'']+)''\\)'))[1]::timestamptz), now()
FROM (SELECT pg_get_expr(child.relpartbound, child.oid) AS bound FROM pg_inherits
    JOIN pg_class child ON child.oid = inhrelid WHERE inhparent = 'entitlements_usageevent'::regclass) AS month
HAVING NOT bool_or(bound LIKE '%MINVALUE%')
    AND min((regexp_match(bound, 'FROM \\(''([^'']+)''\\)'))[1]::timestamptz) IS NOT NULL;
"""
ENDED = """
UPDATE entitlements_entitlement e SET
    active_to = greatest(c.deleted_at, e.active_from), deleted_at = c.deleted_at, updated_at = now()
FROM customers_customer c
WHERE c.id = e.customer_id AND c.deleted_at IS NOT NULL AND e.managed_in IS NULL AND e.deleted_at IS NULL
    AND (e.active_to IS NULL OR e.active_to > c.deleted_at);
"""


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0012_threshold_states_by_period")]

    operations = [
        migrations.CreateModel(
            name="DroppedUsage",
            fields=[
                ("before", models.DateTimeField(primary_key=True, serialize=False)),
                ("dropped_at", models.DateTimeField(default=core.clock.now)),
            ],
            options={"ordering": ["before"]},
        ),
        migrations.RunSQL(NEVER_CHANGED, migrations.RunSQL.noop),
        migrations.RunSQL(KNOWN, migrations.RunSQL.noop),
        migrations.RunSQL(ENDED, migrations.RunSQL.noop),
    ]
