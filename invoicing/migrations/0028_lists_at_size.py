"""Each order that the list of invoices offers has an index; that of issue also holds what a month is added up from."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("invoicing", "0027_runs_beyond_routine"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="invoice",
            index=models.Index(
                fields=["-issued_at", "-id"],
                include=("currency", "status", "total", "due"),
                name="invoice_by_issue_with_sums",
            ),
        ),
        AddIndexConcurrently(
            model_name="invoice",
            index=models.Index(fields=["-updated_at", "-id"], name="invoice_by_update"),
        ),
        AddIndexConcurrently(
            model_name="invoice",
            index=models.Index(fields=["-period_start", "-id"], name="invoice_by_period"),
        ),
        AddIndexConcurrently(
            model_name="invoice",
            index=models.Index(fields=["-status", "-id"], name="invoice_by_status"),
        ),
        AddIndexConcurrently(
            model_name="payment",
            index=models.Index(fields=["-created_at", "-id"], name="payment_by_time"),
        ),
        RemoveIndexConcurrently(
            model_name="invoice",
            name="invoice_by_issue",
        ),
    ]
