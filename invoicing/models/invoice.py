"""The invoice: gathering, draft, issued."""

from typing import Any

from django.db import models
from django.db.models import F, Q

from core.db import AmountField, Record, validate_metadata
from customers.choices import CollectionMethod
from customers.models import BillingApp, BillingProfile, Customer, Supplier
from invoicing.choices import InvoiceStatus
from invoicing.models.run import BillingRun
from invoicing.models.series import NumberSeries


def zero_amount(**kwargs: object) -> "AmountField[Any, Any]":
    return AmountField(default=0, **kwargs)


class Invoice(Record):
    """A gathering invoice (at most one per customer and currency) or a standard one.

    A standard invoice copies what it needs of supplier, customer and settings when it is created, because later
    changes of those must not touch it (billing rules 5). Once `issued_at` is set the document is frozen: triggers
    refuse any change but that of its status and of the columns that follow the money. `content_hash` proves it.
    `replaces` is said before it is issued; what has replaced an invoice is in `replaced_by`.

    Totals are those of REST: `amount` before discounts, `discounts_total`, `credits_total`, taxes, and `total`, gross.
    The money columns always satisfy billing rules 11: total - credited = paid - refunded - moved_to_balance +
    applied_from_balance + written_off + due.
    """

    # No index of its own: others begin with it. So it is with the run and the series.
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="invoices"
    )
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=40, choices=InvoiceStatus.choices)
    status_note = models.TextField(blank=True)  # why a step failed, in plain words
    description = models.CharField(max_length=1024, null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_metadata])
    run = models.ForeignKey(
        BillingRun,
        on_delete=models.SET_NULL,
        db_constraint=False,
        db_index=False,
        null=True,
        blank=True,
        related_name="invoices",
    )

    series = models.ForeignKey(
        NumberSeries,
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        null=True,
        blank=True,
        related_name="invoices",
    )
    sequence = models.PositiveBigIntegerField(null=True, blank=True)
    number = models.CharField(max_length=64, null=True, blank=True, unique=True)

    period_start = models.DateTimeField(null=True, blank=True)
    period_end = models.DateTimeField(null=True, blank=True)
    collection_at = models.DateTimeField(null=True, blank=True)
    quantity_snapshoted_at = models.DateTimeField(null=True, blank=True)
    draft_until = models.DateTimeField(null=True, blank=True)
    issued_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    sent_to_customer_at = models.DateTimeField(null=True, blank=True)
    voided_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    # The voided invoice that it was issued instead of. A replacement may be replaced in its turn.
    replaces = models.ForeignKey(
        "self", on_delete=models.PROTECT, db_index=False, null=True, blank=True, related_name="replaced_by"
    )

    supplier = models.ForeignKey(
        Supplier, on_delete=models.PROTECT, db_constraint=False, null=True, blank=True, related_name="invoices"
    )
    app = models.ForeignKey(
        BillingApp, on_delete=models.PROTECT, db_constraint=False, null=True, blank=True, related_name="invoices"
    )
    profile = models.ForeignKey(
        BillingProfile, on_delete=models.PROTECT, db_constraint=False, null=True, blank=True, related_name="invoices"
    )
    supplier_snapshot = models.JSONField(default=dict, blank=True)
    customer_snapshot = models.JSONField(default=dict, blank=True)
    workflow_snapshot = models.JSONField(default=dict, blank=True)
    collection_method = models.CharField(max_length=32, choices=CollectionMethod.choices, blank=True)

    amount = zero_amount()
    charges_total = zero_amount()
    discounts_total = zero_amount()
    credits_total = zero_amount()
    taxes_inclusive_total = zero_amount()
    taxes_exclusive_total = zero_amount()
    taxes_total = zero_amount()
    total = zero_amount()

    credited = zero_amount()
    paid = zero_amount()
    refunded = zero_amount()
    moved_to_balance = zero_amount()
    applied_from_balance = zero_amount()
    written_off = zero_amount()
    due = zero_amount()

    next_collection_at = models.DateTimeField(null=True, blank=True)  # when the next automatic charge is to be tried
    content_hash = models.CharField(max_length=64, blank=True)

    # Of drafts that wait for approval: what is unusual about them, and how early they are to be looked at by that. Null
    # while nobody has looked; no part of the document.
    anomalies = models.JSONField(null=True, blank=True, editable=False)
    anomaly_rank = models.SmallIntegerField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "currency"],
                name="one_gathering_invoice",
                condition=Q(status=InvoiceStatus.GATHERING),
            ),
            models.UniqueConstraint(fields=["series", "sequence"], name="one_number_per_series"),
            models.CheckConstraint(
                condition=Q(issued_at__isnull=True, number__isnull=True, series__isnull=True, sequence__isnull=True)
                | Q(
                    issued_at__isnull=False,
                    number__isnull=False,
                    series__isnull=False,
                    sequence__isnull=False,
                    due_at__isnull=False,
                    supplier__isnull=False,
                    app__isnull=False,
                    profile__isnull=False,
                ),
                name="numbered_exactly_when_issued",
            ),
            models.CheckConstraint(
                condition=Q(
                    total=F("credited")
                    + F("paid")
                    - F("refunded")
                    - F("moved_to_balance")
                    + F("applied_from_balance")
                    + F("written_off")
                    + F("due")
                )
                | Q(status=InvoiceStatus.VOIDED, due=0, paid=0),
                name="payment_identity",
            ),
            models.CheckConstraint(condition=Q(total__gte=0), name="invoice_total_is_not_negative"),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="invoice_by_time"),
            models.Index(fields=["customer", "-created_at"], name="invoice_of_customer"),
            models.Index(
                fields=["next_collection_at"], name="invoice_to_collect", condition=Q(next_collection_at__isnull=False)
            ),
            models.Index(fields=["due_at"], name="invoice_unpaid", condition=Q(due__gt=0, issued_at__isnull=False)),
            # Few of the overdue ones: looked through every half minute.
            models.Index(
                fields=["due_at"],
                name="invoice_dunning_ended",
                condition=Q(
                    status=InvoiceStatus.OVERDUE,
                    due__gt=0,
                    next_collection_at__isnull=True,
                    workflow_snapshot__values__uncollectible_after_dunning=True,
                ),
            ),
            models.Index(
                fields=["status", "draft_until", "collection_at"],
                name="invoice_drafts",
                condition=Q(status__startswith="draft."),
            ),
            # Of drafts that wait for approval: first those at which nobody has looked, then the most unusual ones.
            models.Index(
                fields=["-anomaly_rank", "id"],
                name="invoice_review",
                include=["status"],
                condition=Q(
                    status__in=[
                        InvoiceStatus.DRAFT_WAITING_AUTO_APPROVAL,
                        InvoiceStatus.DRAFT_MANUAL_APPROVAL_NEEDED,
                    ]
                ),
            ),
            models.Index(fields=["run"], name="invoice_of_run", condition=Q(run__isnull=False)),
            # Few replace another one.
            models.Index(fields=["replaces"], name="invoice_replacing", condition=Q(replaces__isnull=False)),
            # With what the start page adds up for the month, so that it reads no invoice.
            models.Index(
                fields=["-issued_at", "-id"],
                name="invoice_by_issue_with_sums",
                include=["currency", "status", "total", "due"],
            ),
            models.Index(fields=["-updated_at", "-id"], name="invoice_by_update"),
            models.Index(fields=["-period_start", "-id"], name="invoice_by_period"),
            models.Index(fields=["-status", "-id"], name="invoice_by_status"),
            models.Index(fields=["total"], name="invoice_by_total", condition=Q(issued_at__isnull=False)),
        ]
        permissions = [
            ("approve_invoice", "Can approve drafts"),
            ("advance_invoice", "Can advance drafts"),
            ("charge_once_invoice", "Can add one-off charges"),
            ("edit_draft_invoice", "Can edit drafts"),
            ("invoice_now_invoice", "Can invoice before the time what waits"),
            ("void_invoice", "Can void invoices"),
            ("credit_invoice", "Can credit invoices"),
            ("collect_invoice", "Can retry the collection of invoices"),
            ("reconcile_payment", "Can have providers asked for unknown outcomes"),
            ("record_payment", "Can record payments"),
            ("delete_draft_invoice", "Can delete drafts"),
            ("mark_uncollectible_invoice", "Can mark invoices uncollectible"),
            ("write_off_invoice", "Can write off invoices"),
            ("refund_payment", "Can refund payments"),
        ]

    def __str__(self) -> str:
        return self.number or f"{self.get_status_display()} of {self.customer}"


class DraftInReview(Invoice):
    """A draft as it stands in the queue of those that wait for approval."""

    class Meta:
        proxy = True
        # Who may read invoices may read the queue.
        default_permissions = ()
        verbose_name = "draft"
        verbose_name_plural = "drafts"
        ordering = ["-anomaly_rank", "id"]
