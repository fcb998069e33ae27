"""Billing profiles, and what single customers override of them."""

from django.db import models

from core.db import AmountField, Record, validate_metadata
from customers.choices import CollectionAlignment, CollectionMethod, LateUsage, TaxBehavior
from customers.models.app import BillingApp
from customers.models.customer import Customer
from customers.models.supplier import Supplier

DEFAULT_DUNNING_DAYS = (1, 3, 5, 7)


def default_dunning_days() -> list[int]:
    return list(DEFAULT_DUNNING_DAYS)


class BillingProfile(Record):
    """One supplier, one app (for good), and the workflow of invoices (billing rules 5).

    Durations are ISO 8601 texts. `dunning_days` counts days after the first failed charge. Once the last of these tries
    has failed, `uncollectible_after_dunning` gives up on the invoice as soon as it is overdue. Cadence and anchor are
    the rhythm of an anchored collection. `late_usage` is what becomes of usage that comes after the quantities of its
    period were fixed. A deleted profile stays as a row, archived, because paid invoices refer to it.
    """

    name = models.CharField(max_length=256)
    description = models.CharField(max_length=1024, null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_metadata])
    supplier = models.ForeignKey(Supplier, on_delete=models.PROTECT, related_name="profiles")
    app = models.ForeignKey(BillingApp, on_delete=models.PROTECT, related_name="profiles")
    is_default = models.BooleanField(default=False)
    archived_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    collection_alignment = models.CharField(
        max_length=16, choices=CollectionAlignment.choices, default=CollectionAlignment.SUBSCRIPTION
    )
    collection_cadence = models.CharField(max_length=8, blank=True)
    collection_anchor = models.DateTimeField(null=True, blank=True)
    collection_interval = models.CharField(max_length=32, default="PT0S")
    auto_advance = models.BooleanField(default=True)
    draft_period = models.CharField(max_length=32, default="PT0S")
    due_after = models.CharField(max_length=32, default="P30D")
    collection_method = models.CharField(
        max_length=32, choices=CollectionMethod.choices, default=CollectionMethod.CHARGE_AUTOMATICALLY
    )
    late_usage = models.CharField(max_length=8, choices=LateUsage.choices, default=LateUsage.BILL, db_default="bill")
    progressive_billing = models.BooleanField(default=False)
    progressive_threshold = AmountField(null=True, blank=True)
    progressive_threshold_currency = models.CharField(max_length=3, blank=True)
    tax_enabled = models.BooleanField(default=True)
    tax_enforced = models.BooleanField(default=False)
    tax_behavior = models.CharField(max_length=16, choices=TaxBehavior.choices, null=True, blank=True)
    tax_code = models.CharField(max_length=64, blank=True)
    dunning_days = models.JSONField(default=default_dunning_days, blank=True)
    uncollectible_after_dunning = models.BooleanField(default=False)

    class Meta:
        ordering = ["name", "id"]
        permissions = [("make_default_billingprofile", "Can make another profile the default")]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], name="one_default_profile", condition=models.Q(is_default=True)
            ),
            models.CheckConstraint(
                condition=models.Q(is_default=False) | models.Q(archived_at__isnull=True),
                name="default_profile_is_not_archived",
            ),
            models.CheckConstraint(
                condition=models.Q(deleted_at__isnull=True) | models.Q(archived_at__isnull=False),
                name="deleted_profile_is_archived",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class CustomerOverride(Record):
    """A customer's pin to a profile (null: the default) and the fields in which they differ (null: as pinned)."""

    customer = models.OneToOneField(Customer, on_delete=models.CASCADE, related_name="billing_override")
    billing_profile = models.ForeignKey(
        BillingProfile, on_delete=models.PROTECT, null=True, blank=True, related_name="pinned_overrides"
    )
    collection_alignment = models.CharField(max_length=16, choices=CollectionAlignment.choices, null=True, blank=True)
    collection_cadence = models.CharField(max_length=8, null=True, blank=True)
    collection_anchor = models.DateTimeField(null=True, blank=True)
    collection_interval = models.CharField(max_length=32, null=True, blank=True)
    auto_advance = models.BooleanField(null=True, blank=True)
    draft_period = models.CharField(max_length=32, null=True, blank=True)
    due_after = models.CharField(max_length=32, null=True, blank=True)
    collection_method = models.CharField(max_length=32, choices=CollectionMethod.choices, null=True, blank=True)
    late_usage = models.CharField(max_length=8, choices=LateUsage.choices, null=True, blank=True)
    progressive_billing = models.BooleanField(null=True, blank=True)
    progressive_threshold = AmountField(null=True, blank=True)
    progressive_threshold_currency = models.CharField(max_length=3, null=True, blank=True)
    tax_enabled = models.BooleanField(null=True, blank=True)
    tax_enforced = models.BooleanField(null=True, blank=True)
    tax_behavior = models.CharField(max_length=16, choices=TaxBehavior.choices, null=True, blank=True)
    tax_code = models.CharField(max_length=64, null=True, blank=True)
    dunning_days = models.JSONField(null=True, blank=True)
    uncollectible_after_dunning = models.BooleanField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "overrides and pins"

    def __str__(self) -> str:
        return f"override of {self.customer}"
