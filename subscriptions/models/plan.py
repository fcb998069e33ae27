"""Plans: versions under one key, their phases, and the rate cards in them."""

from django.db import models

from core.db import Record, validate_metadata
from entitlements.models import Feature
from subscriptions.models.catalog import AbstractRateCard, CatalogVersion


class Plan(CatalogVersion):
    """One version of a plan."""

    billing_cadence = models.CharField(max_length=16, default="P1M")
    pro_rating_enabled = models.BooleanField(default=True)
    settlement_mode = models.CharField(max_length=32, default="credit_then_invoice")

    class Meta:
        ordering = ["key", "-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["key", "version"], name="plan_version_is_unique", condition=models.Q(deleted_at__isnull=True)
            ),
            models.UniqueConstraint(
                fields=["key"],
                name="one_draft_per_plan",
                condition=models.Q(deleted_at__isnull=True, effective_from__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["key"],
                name="one_open_version_per_plan",
                condition=models.Q(deleted_at__isnull=True, effective_from__isnull=False, effective_to__isnull=True),
            ),
        ]


class PlanPhase(Record):
    """A stretch of the plan: a trial, a ramp, the rest. Only the last one has no `duration` (ISO 8601)."""

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="phases")
    position = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=64)
    name = models.CharField(max_length=256)
    description = models.CharField(max_length=1024, null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_metadata])
    duration = models.CharField(max_length=32, null=True, blank=True)

    class Meta:
        ordering = ["plan", "position"]
        constraints = [
            models.UniqueConstraint(fields=["plan", "position"], name="phase_position_is_unique"),
            models.UniqueConstraint(fields=["plan", "key"], name="phase_key_is_unique"),
        ]

    def __str__(self) -> str:
        return self.name


class RateCard(AbstractRateCard):
    """One rate card of a phase."""

    phase = models.ForeignKey(PlanPhase, on_delete=models.CASCADE, related_name="rate_cards")
    feature = models.ForeignKey(Feature, on_delete=models.PROTECT, null=True, blank=True, related_name="rate_cards")

    class Meta:
        ordering = ["phase", "position"]
        constraints = [
            models.UniqueConstraint(fields=["phase", "position"], name="rate_card_position_is_unique"),
            models.UniqueConstraint(fields=["phase", "key"], name="rate_card_key_is_unique"),
        ]
