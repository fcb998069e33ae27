"""The entitlement: what a customer may use of a feature, and the resets of its usage by hand."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value

from core.db import AmountField, Record, ULIDField, validate_metadata
from customers.models import Customer
from entitlements.choices import EntitlementType
from entitlements.models.feature import Feature


class Entitlement(Record):
    """A customer may use a feature from `active_from` to `active_to`, UTC, half-open (billing rules 9).

    Boolean: yes. Static: with `config`, the text of a JSON object. Metered: as far as its grants go. Their usage
    counts from `measure_usage_from`, never later than `active_from`; usage periods fall on `usage_period_anchor`'s wall
    time in `time_zone`, frozen here at creation. A deleted one ends when it is deleted. `feature_key` is kept, so that
    no key is entitled to twice where a feature was archived and its key given to another.

    What manages it is named without a foreign key, since it stands above: the subscription, its item, and their keys,
    e.g. `{"plan": "starter", "item": "calls"}`. All are empty where nobody does. One that `continues` another, whose
    terms a change of plan or an edit replaced, goes on with the grants that staff made there, and with the usage
    period unless it `resets_usage`.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, db_index=False, related_name="entitlements")
    feature = models.ForeignKey(Feature, on_delete=models.PROTECT, related_name="entitlements")
    feature_key = models.CharField(max_length=64)
    type = models.CharField(max_length=16, choices=EntitlementType.choices)
    active_from = models.DateTimeField()
    active_to = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_metadata])
    config = models.TextField(null=True, blank=True)
    soft_limit = models.BooleanField(default=False)
    preserve_overage = models.BooleanField(default=False)
    issue_after_reset = AmountField(null=True, blank=True)
    issue_priority = models.PositiveSmallIntegerField(default=1)
    measure_usage_from = models.DateTimeField(null=True, blank=True)
    usage_period = models.CharField(max_length=32, null=True, blank=True)
    usage_period_anchor = models.DateTimeField(null=True, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    managed_by = ULIDField(null=True, blank=True, help_text="The subscription item that manages it.")
    managed_in = ULIDField(null=True, blank=True, help_text="The subscription of that item.")
    managed_keys = models.JSONField(default=dict, blank=True)
    continues = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    resets_usage = models.BooleanField(default=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(active_to__isnull=True) | Q(active_to__gte=F("active_from")),
                name="entitlement_ends_after_it_starts",
            ),
            models.CheckConstraint(
                condition=~Q(type="metered")
                | Q(
                    measure_usage_from__isnull=False,
                    measure_usage_from__lte=F("active_from"),
                    usage_period__isnull=False,
                    usage_period_anchor__isnull=False,
                ),
                name="metered_entitlement_has_a_usage_period",
            ),
            models.CheckConstraint(
                condition=Q(type="static", config__isnull=False) | (~Q(type="static") & Q(config__isnull=True)),
                name="static_entitlement_has_a_configuration",
            ),
            ExclusionConstraint(
                name="one_entitlement_per_feature",
                expressions=[
                    (
                        Func(F("customer"), F("customer"), Value("[]"), function="entitlements_idrange"),
                        RangeOperators.OVERLAPS,
                    ),
                    (
                        Func(F("feature_key"), F("feature_key"), Value("[]"), function="entitlements_keyrange"),
                        RangeOperators.OVERLAPS,
                    ),
                    (Func(F("active_from"), F("active_to"), function="tstzrange"), RangeOperators.OVERLAPS),
                ],
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "feature_key", "-active_from"], name="entitlement_of_customer"),
            models.Index(fields=["-created_at", "-id"], name="entitlement_by_time"),
            models.Index(fields=["-updated_at", "-id"], name="entitlement_by_change"),
            models.Index(
                fields=["managed_in"], name="entitlement_of_subscription", condition=Q(managed_in__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.feature_key} of {self.customer}"


class EntitlementReset(models.Model):
    """A reset by hand at `at`, a fact that nobody changes. `anchor`: where usage periods are anchored from then on;
    null: as before. `preserve_overage`: whether the overage was kept; null: as the entitlement has it."""

    id = models.BigAutoField(primary_key=True)
    entitlement = models.ForeignKey(Entitlement, on_delete=models.PROTECT, db_index=False, related_name="resets")
    at = models.DateTimeField()
    anchor = models.DateTimeField(null=True, blank=True)
    preserve_overage = models.BooleanField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["at"]
        constraints = [
            models.UniqueConstraint(fields=["entitlement", "at"], name="entitlement_is_reset_once_at_a_time")
        ]

    def __str__(self) -> str:
        return f"{self.entitlement} at {self.at:%Y-%m-%d %H:%M} UTC"
