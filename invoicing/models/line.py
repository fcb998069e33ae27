"""Invoice lines, their detailed lines, and the billed windows that guard against billing twice."""

from typing import Self

from django.contrib.postgres.fields import DateTimeRangeField
from django.db import models
from django.db.models import F, Func, Q

from core import clock
from core.db import AmountField, Record, ULIDField, validate_metadata
from core.ids import new_id
from invoicing.choices import InvoiceStatus, LineKind, LineManagedBy, LineStatus, WindowKind
from invoicing.models.invoice import Invoice, zero_amount
from subscriptions.models import ItemRevision, Subscription, SubscriptionItem


class LineQuerySet(models.QuerySet["InvoiceLine"]):
    """Lines of invoices, deleted ones and groups of parts among them."""

    def counted(self) -> Self:
        """Those that stand and count: a line that was split is the group of its parts, and in no total (billing rules
        7)."""
        return self.filter(status=LineStatus.VALID, deleted_at__isnull=True)

    def giving_back(self) -> Self:
        """The credit lines that count, on drafts and on invoices that stand: what was on a voided one has ended."""
        lines = self.filter(kind=LineKind.CREDIT, deleted_at__isnull=True)
        return lines.exclude(invoice__status=InvoiceStatus.VOIDED)


class InvoiceLine(Record):
    """One item's charge for one service period. It keeps its id from the gathering to the issued invoice.

    On a gathering invoice the amounts are zero: what would be owed is rated when somebody looks. `components` are
    what a flat line charges for, `[[quantity, numerator, denominator, from, to], ...]`: the close compares them with
    what ought to be billed. `window` is the settled window that the line bills, adds to or gives back of (none while
    it waits): what belongs together refers to it, and not to a first line. `amends` names, for readers, the line that
    an adjustment adds to or that a credit is of; `parent` the line that was split, of which it is a part: that one has
    the status `split`, no window and no money, and counts in no total.
    `explain` holds everything that the amount can be recomputed from.
    """

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="lines")
    position = models.PositiveIntegerField(default=0)
    kind = models.CharField(max_length=8, choices=LineKind.choices)
    status = models.CharField(max_length=8, choices=LineStatus.choices, default=LineStatus.VALID)
    managed_by = models.CharField(max_length=16, choices=LineManagedBy.choices, default=LineManagedBy.SUBSCRIPTION)
    # Most lines have neither: indexes of those that do.
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, db_index=False, null=True, blank=True, related_name="parts"
    )
    amends = models.ForeignKey(
        "self", on_delete=models.PROTECT, db_index=False, null=True, blank=True, related_name="amendments"
    )
    # No constraint: the reference outlasts the window, whose row goes when its time is to be billed again.
    window = models.ForeignKey(
        "BilledWindow",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        blank=True,
        related_name="lines",
    )
    name = models.CharField(max_length=256)
    description = models.CharField(max_length=1024, null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_metadata])
    currency = models.CharField(max_length=3)

    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, db_constraint=False, null=True, blank=True, related_name="invoice_lines"
    )
    item = models.ForeignKey(
        SubscriptionItem,
        on_delete=models.PROTECT,
        db_constraint=False,
        null=True,
        blank=True,
        related_name="invoice_lines",
    )
    revision = models.ForeignKey(
        ItemRevision, on_delete=models.PROTECT, db_constraint=False, null=True, blank=True, related_name="+"
    )
    feature_key = models.CharField(max_length=64, null=True, blank=True)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    invoice_at = models.DateTimeField()
    price = models.JSONField(null=True, blank=True)
    discounts = models.JSONField(null=True, blank=True)
    tax_config = models.JSONField(null=True, blank=True)
    components = models.JSONField(null=True, blank=True)
    tax_rate = AmountField(null=True, blank=True)
    tax_name = models.CharField(max_length=100, blank=True)
    tax_behavior = models.CharField(max_length=16, blank=True)

    quantity = AmountField(null=True, blank=True)
    metered_quantity = AmountField(null=True, blank=True)
    pre_period_quantity = AmountField(null=True, blank=True)

    amount = zero_amount()
    charges_total = zero_amount()
    discounts_total = zero_amount()
    credits_total = zero_amount()
    taxes_inclusive_total = zero_amount()
    taxes_exclusive_total = zero_amount()
    taxes_total = zero_amount()
    total = zero_amount()
    explain = models.JSONField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = LineQuerySet.as_manager()

    class Meta:
        ordering = ["invoice", "position", "id"]
        indexes = [
            models.Index(fields=["window"], name="lines_of_a_window", condition=Q(window__isnull=False)),
            models.Index(fields=["parent"], name="parts_of_a_line", condition=Q(parent__isnull=False)),
            models.Index(fields=["amends"], name="amendments_of_a_line", condition=Q(amends__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(period_end__gte=F("period_start")), name="line_ends_after_it_starts"),
            models.CheckConstraint(
                condition=Q(
                    total=F("amount")
                    + F("charges_total")
                    - F("discounts_total")
                    - F("credits_total")
                    + F("taxes_exclusive_total")
                ),
                name="line_adds_up",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class InvoiceDetailedLine(models.Model):
    """One part of a line's amount: a tier, a flat part, packages, a minimum. Rounded once (billing rules 1)."""

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    line = models.ForeignKey(InvoiceLine, on_delete=models.PROTECT, db_constraint=False, related_name="detailed_lines")
    position = models.PositiveIntegerField(default=0)
    category = models.CharField(max_length=32)
    name = models.CharField(max_length=256)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    quantity = AmountField()
    unit_amount = AmountField()
    amount = zero_amount()
    discounts_total = zero_amount()
    total = zero_amount()

    class Meta:
        ordering = ["line", "position"]
        constraints = [
            models.CheckConstraint(condition=Q(total=F("amount") - F("discounts_total")), name="detailed_line_adds_up"),
        ]

    def __str__(self) -> str:
        return self.name


class BilledWindow(models.Model):
    """Which time of an item is settled, and on which invoice: the database refuses two windows that overlap
    (`triggers.py`; an exclusion constraint costs a close more than all else that it writes).

    Written when a line moves to a standard invoice; deleted when that invoice is voided or its draft deleted, so that
    its time is billed again. Only charges, unreported periods and waivers have one. Any number of lines bill it, add to
    it and give back of it (`lines`), on its `invoice` and on later ones.
    """

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    # The constraint below begins with it.
    item = models.ForeignKey(
        SubscriptionItem, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="billed_windows"
    )
    span = DateTimeRangeField()
    kind = models.CharField(max_length=16, choices=WindowKind.choices, default=WindowKind.CHARGE)
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, null=True, blank=True, db_index=False, related_name="billed_windows"
    )
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["item", "span"]
        constraints = [
            models.UniqueConstraint(F("item"), Func(F("span"), function="lower"), name="window_starts_once"),
            models.CheckConstraint(
                condition=Q(
                    span__isempty=False,
                    span__lower_inf=False,
                    span__lower_inc=True,
                    span__upper_inc=False,
                ),
                name="window_starts_and_ends_apart",
            ),
            models.CheckConstraint(
                condition=Q(kind=WindowKind.CHARGE, invoice__isnull=False) | ~Q(kind=WindowKind.CHARGE),
                name="charged_window_names_its_invoice",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.span}"
