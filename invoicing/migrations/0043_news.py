"""Invoices that are made or change are marked for those who asked to be told, by whatever way they are written."""

from django.db import migrations, models

FORWARD = [
    """\
CREATE FUNCTION invoicing_tell_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO invoicing_invoicenews (invoice_id, kind, at)
    SELECT touched.id, 'invoice.created', touched.updated_at
    FROM touched
    WHERE touched.status <> 'gathering' AND EXISTS (
        SELECT FROM notifications_rule WHERE type = 'invoice.created' AND deleted_at IS NULL AND NOT disabled)
    ORDER BY touched.id;
    RETURN NULL;
END $$""",
    """\
CREATE FUNCTION invoicing_tell_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO invoicing_invoicenews (invoice_id, kind, at)
    SELECT touched.id, 'invoice.updated', touched.updated_at
    FROM touched JOIN touched_before before ON before.id = touched.id
    WHERE touched.status <> 'gathering' AND EXISTS (
        SELECT FROM notifications_rule WHERE type = 'invoice.updated' AND deleted_at IS NULL AND NOT disabled)
    AND (touched.status, touched.status_note, touched.number, touched.total, touched.due, touched.paid,
        touched.credited, touched.refunded, touched.moved_to_balance, touched.applied_from_balance,
        touched.written_off, touched.due_at, touched.draft_until, touched.collection_at, touched.voided_at)
    IS DISTINCT FROM (before.status, before.status_note, before.number, before.total, before.due, before.paid,
        before.credited, before.refunded, before.moved_to_balance, before.applied_from_balance,
        before.written_off, before.due_at, before.draft_until, before.collection_at, before.voided_at)
    ORDER BY touched.id;
    RETURN NULL;
END $$""",
    """\
CREATE TRIGGER tell_on_insert AFTER INSERT ON invoicing_invoice
    REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION invoicing_tell_new()""",
    """\
CREATE TRIGGER tell_on_update AFTER UPDATE ON invoicing_invoice
    REFERENCING OLD TABLE AS touched_before NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION invoicing_tell_changed()""",
]
BACKWARD = [
    "DROP TRIGGER tell_on_update ON invoicing_invoice",
    "DROP TRIGGER tell_on_insert ON invoicing_invoice",
    "DROP FUNCTION invoicing_tell_changed()",
    "DROP FUNCTION invoicing_tell_new()",
]


class Migration(migrations.Migration):
    dependencies = [
        ("invoicing", "0042_releases_by_workers"),
        ("notifications", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="InvoiceNews",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("invoice_id", models.UUIDField()),
                ("kind", models.CharField(max_length=32)),
                ("at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "news of an invoice",
                "verbose_name_plural": "news of invoices",
                "ordering": ["id"],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
