"""Late usage: what came after the quantity snapshot of a billed window, and what was decided about it."""

from django.db import models
from django.db.models import Q

from core.db import AmountField, Record
from customers.models import Customer
from invoicing.choices import LateUsageState
from invoicing.models.credit_note import CreditNote
from invoicing.models.invoice import zero_amount
from invoicing.models.line import InvoiceLine
from subscriptions.models import Subscription, SubscriptionItem


class LateUsageCase(Record):
    """What the usage of one settled window comes to beyond what it was billed for (billing rules 6).

    `quantity` is what it comes to less what is settled (`settled_quantity`), `events` how many more events that is, and
    `net` what its period comes to with it, less what was billed net for that: below zero it is a credit. `explain` is
    how. At most one is open a window, and follows what comes in; once decided it never changes, and what comes then
    makes another. `line` is the adjustment that bills it: on the gathering invoice first, and the same one ever after.
    `usage_since` is from when on its usage must be kept until then.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="late_usage")
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, db_index=False, related_name="late_usage")
    item = models.ForeignKey(SubscriptionItem, on_delete=models.PROTECT, db_index=False, related_name="late_usage")
    # No constraint: the reference outlasts the window, as that of lines does.
    window = models.ForeignKey(
        "BilledWindow", on_delete=models.DO_NOTHING, db_constraint=False, related_name="late_usage"
    )
    name = models.CharField(max_length=256)
    feature_key = models.CharField(max_length=64, null=True, blank=True)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    currency = models.CharField(max_length=3)

    settled_quantity = AmountField()
    quantity = AmountField()
    events = models.BigIntegerField(default=0)
    net = zero_amount()
    explain = models.JSONField()
    usage_since = models.DateTimeField()

    state = models.CharField(max_length=16, choices=LateUsageState.choices, default=LateUsageState.OPEN)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=200, blank=True)
    reason = models.TextField(blank=True)
    line = models.ForeignKey(
        InvoiceLine,
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        null=True,
        blank=True,
        related_name="late_usage",
    )
    credit_note = models.ForeignKey(
        CreditNote, on_delete=models.PROTECT, db_index=False, null=True, blank=True, related_name="late_usage"
    )

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["window"], name="one_open_late_usage", condition=Q(state=LateUsageState.OPEN)
            ),
            models.CheckConstraint(
                condition=Q(state=LateUsageState.OPEN, decided_at__isnull=True)
                | (~Q(state=LateUsageState.OPEN) & Q(decided_at__isnull=False)),
                name="late_usage_decided_once",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="late_usage_by_time"),
            models.Index(fields=["-net", "-id"], name="late_usage_inbox", condition=Q(state=LateUsageState.OPEN)),
            models.Index(fields=["item", "period_start"], name="late_usage_of_item"),
            models.Index(fields=["line"], name="late_usage_of_line", condition=Q(line__isnull=False)),
        ]
        permissions = [
            ("bill_lateusagecase", "Can bill late usage"),
            ("waive_lateusagecase", "Can waive late usage"),
        ]

    def __str__(self) -> str:
        return f"Late usage of {self.name} from {self.period_start:%Y-%m-%d} to {self.period_end:%Y-%m-%d}"


class LateUsageLook(models.Model):
    """Settled windows of a customer, of the time from `since` to `until`, are to be compared with what was billed.

    Only ever added, so that whoever notes one waits for nobody; whoever has looked deletes those that were there
    before. `not_before` is when it is tried again where that failed.
    """

    id = models.BigAutoField(primary_key=True)
    customer = models.ForeignKey(
        Customer, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    since = models.DateTimeField()
    until = models.DateTimeField()
    not_before = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["customer", "id"], name="late_usage_look_of_customer"),
            models.Index(fields=["id"], name="late_usage_look_fresh", condition=Q(not_before__isnull=True)),
            models.Index(fields=["not_before"], name="late_usage_look_again", condition=Q(not_before__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} from {self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M} UTC"
