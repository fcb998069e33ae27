"""Late usage has cases to decide, and what is to be looked at for it is noted by whatever way it is written."""

import django.db.models.deletion
from django.db import migrations, models

import core.clock
import core.db
import core.ids

FORWARD = [
    """\
CREATE FUNCTION invoicing_note_late_reports() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO invoicing_lateusagelook (customer_id, since, until)
    SELECT subscription.customer_id, min(touched.period_start), max(touched.period_start) + interval '1 microsecond'
    FROM touched
    JOIN subscriptions_subscriptionitem item ON item.id = touched.item_id
    JOIN subscriptions_subscription subscription ON subscription.id = item.subscription_id
    WHERE touched.late
    GROUP BY subscription.customer_id;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION invoicing_note_released() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO invoicing_lateusagelook (customer_id, since, until)
    SELECT late.customer_id, min(late.period_start), max(late.period_end)
    FROM touched JOIN touched_before before ON before.id = touched.id
    JOIN invoicing_lateusagecase late ON late.customer_id = touched.customer_id AND late.state = 'open'
    WHERE before.released_at IS NULL AND touched.released_at IS NOT NULL
    GROUP BY late.customer_id;
    RETURN NULL;
END $$""",
    """\
CREATE TRIGGER note_late_on_insert AFTER INSERT ON subscriptions_quantityreport
    REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION invoicing_note_late_reports()""",
    """\
CREATE TRIGGER note_late_on_release AFTER UPDATE ON invoicing_parkedcustomer
    REFERENCING OLD TABLE AS touched_before NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION invoicing_note_released()""",
    # What was reported late before there were cases.
    """\
INSERT INTO invoicing_lateusagelook (customer_id, since, until)
    SELECT subscription.customer_id, min(report.period_start), max(report.period_start) + interval '1 microsecond'
    FROM subscriptions_quantityreport report
    JOIN subscriptions_subscriptionitem item ON item.id = report.item_id
    JOIN subscriptions_subscription subscription ON subscription.id = item.subscription_id
    WHERE report.late
    GROUP BY subscription.customer_id""",
]
BACKWARD = [
    "DROP TRIGGER note_late_on_release ON invoicing_parkedcustomer",
    "DROP TRIGGER note_late_on_insert ON subscriptions_quantityreport",
    "DROP FUNCTION invoicing_note_released()",
    "DROP FUNCTION invoicing_note_late_reports()",
]


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0011_past_subjects"),
        ("invoicing", "0049_draft_edits"),
        ("subscriptions", "0014_kept_usage"),
    ]

    operations = [
        migrations.AlterField(
            model_name="invoiceline",
            name="kind",
            field=models.CharField(
                choices=[
                    ("flat", "Flat fee"),
                    ("usage", "Usage"),
                    ("credit", "Credit for an unused part"),
                    ("late", "Late usage"),
                ],
                max_length=8,
            ),
        ),
        migrations.CreateModel(
            name="LateUsageCase",
            fields=[
                ("id", core.db.ULIDField(default=core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("created_at", models.DateTimeField(default=core.clock.now, editable=False)),
                ("updated_at", core.db.UpdatedAtField(default=core.clock.now, editable=False)),
                ("name", models.CharField(max_length=256)),
                ("feature_key", models.CharField(blank=True, max_length=64, null=True)),
                ("period_start", models.DateTimeField()),
                ("period_end", models.DateTimeField()),
                ("currency", models.CharField(max_length=3)),
                ("settled_quantity", core.db.AmountField(decimal_places=12, max_digits=30)),
                ("quantity", core.db.AmountField(decimal_places=12, max_digits=30)),
                ("events", models.BigIntegerField(default=0)),
                ("net", core.db.AmountField(decimal_places=12, default=0, max_digits=30)),
                ("explain", models.JSONField()),
                ("usage_since", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "To decide"),
                            ("billed", "Billed by an adjustment"),
                            ("credited", "Credited"),
                            ("waived", "Waived"),
                            ("reissued", "Billed anew with its invoice"),
                            ("absorbed", "Nothing is late any more"),
                        ],
                        default="open",
                        max_length=16,
                    ),
                ),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("decided_by", models.CharField(blank=True, max_length=200)),
                ("reason", models.TextField(blank=True)),
                (
                    "credit_note",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="late_usage",
                        to="invoicing.creditnote",
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="late_usage", to="customers.customer"
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="late_usage",
                        to="subscriptions.subscriptionitem",
                    ),
                ),
                (
                    "line",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="late_usage",
                        to="invoicing.invoiceline",
                    ),
                ),
                (
                    "subscription",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="late_usage",
                        to="subscriptions.subscription",
                    ),
                ),
                (
                    "window",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="late_usage",
                        to="invoicing.billedwindow",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "permissions": [
                    ("bill_lateusagecase", "Can bill late usage"),
                    ("waive_lateusagecase", "Can waive late usage"),
                ],
                "indexes": [
                    models.Index(fields=["-created_at", "-id"], name="late_usage_by_time"),
                    models.Index(
                        condition=models.Q(("state", "open")), fields=["-net", "-id"], name="late_usage_inbox"
                    ),
                    models.Index(fields=["item", "period_start"], name="late_usage_of_item"),
                    models.Index(
                        condition=models.Q(("line__isnull", False)), fields=["line"], name="late_usage_of_line"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "open")), fields=("window",), name="one_open_late_usage"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decided_at__isnull", True), ("state", "open")),
                            models.Q(models.Q(("state", "open"), _negated=True), ("decided_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="late_usage_decided_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LateUsageLook",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("not_before", models.DateTimeField(blank=True, null=True)),
                (
                    "customer",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="customers.customer",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "indexes": [models.Index(fields=["customer", "id"], name="late_usage_look_of_customer")],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
