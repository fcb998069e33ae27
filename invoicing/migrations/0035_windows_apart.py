"""Windows of an item are kept apart by a trigger over a B-tree, instead of an exclusion constraint over a GiST index.

Writing that index took a quarter of what a close asks of the server. The unique index and the trigger stand before the
constraint goes, so that at no time nothing keeps windows apart. Backward, the constraint is built with a lock on the
table, for as long as its index takes.
"""

import django.db.models.deletion
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models

APART = """
CREATE FUNCTION invoicing_refuse_overlaps() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    twice record;
BEGIN
    PERFORM FROM subscriptions_subscriptionitem
    WHERE id = ANY(ARRAY(SELECT DISTINCT item_id FROM touched))
    ORDER BY id FOR NO KEY UPDATE;
    SELECT touched.item_id, touched.span, other.span AS taken INTO twice
    FROM touched CROSS JOIN LATERAL (
        SELECT span FROM invoicing_billedwindow
        WHERE item_id = touched.item_id AND lower(span) < COALESCE(upper(touched.span), 'infinity')
            AND id <> touched.id
        ORDER BY lower(span) DESC
        LIMIT 1
    ) other
    WHERE other.span && touched.span
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'The time % of item % overlaps %, which is settled.', twice.span, twice.item_id, twice.taken
            USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'billed_windows_never_overlap',
                TABLE = 'invoicing_billedwindow';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER apart_on_insert AFTER INSERT ON invoicing_billedwindow
    REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION invoicing_refuse_overlaps();
CREATE TRIGGER apart_on_update AFTER UPDATE ON invoicing_billedwindow
    REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION invoicing_refuse_overlaps();
"""
TOGETHER = """
DROP TRIGGER apart_on_insert ON invoicing_billedwindow;
DROP TRIGGER apart_on_update ON invoicing_billedwindow;
DROP FUNCTION invoicing_refuse_overlaps;
"""
STARTS_ONCE = models.UniqueConstraint(
    models.F("item"), models.Func(models.F("span"), function="lower"), name="window_starts_once"
)
BOUNDS = models.CheckConstraint(
    condition=models.Q(span__isempty=False, span__lower_inc=True, span__lower_inf=False, span__upper_inc=False),
    name="window_starts_and_ends_apart",
)
NEVER_OVERLAP = ExclusionConstraint(
    expressions=[
        (models.Func(models.F("item_id"), models.F("item_id"), models.Value("[]"), function="uuidrange"), "&&"),
        ("span", "&&"),
    ],
    name="billed_windows_never_overlap",
)
ITEM = models.ForeignKey(
    db_index=False,
    on_delete=django.db.models.deletion.PROTECT,
    related_name="billed_windows",
    to="subscriptions.subscriptionitem",
)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("invoicing", "0034_approved_alone"),
        ("subscriptions", "0012_indexes_that_others_begin_with"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY window_starts_once"
                    " ON invoicing_billedwindow (item_id, (lower(span)))",
                    "DROP INDEX CONCURRENTLY IF EXISTS window_starts_once",
                )
            ],
            state_operations=[migrations.AddConstraint(model_name="billedwindow", constraint=STARTS_ONCE)],
        ),
        AddConstraintNotValid(model_name="billedwindow", constraint=BOUNDS),
        ValidateConstraint(model_name="billedwindow", name=BOUNDS.name),
        migrations.RunSQL(APART, TOGETHER),
        migrations.RemoveConstraint(model_name="billedwindow", name=NEVER_OVERLAP.name),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "DROP INDEX CONCURRENTLY IF EXISTS invoicing_billedwindow_item_id_61843385",
                    "CREATE INDEX CONCURRENTLY IF NOT EXISTS invoicing_billedwindow_item_id_61843385"
                    " ON invoicing_billedwindow (item_id)",
                )
            ],
            state_operations=[migrations.AlterField(model_name="billedwindow", name="item", field=ITEM)],
        ),
    ]
