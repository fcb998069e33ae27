"""The grant: usage that a metered entitlement allows."""

from django.db import models
from django.db.models import F, Q

from core.db import AmountField, Record, validate_metadata
from entitlements.models.entitlement import Entitlement


class Grant(Record):
    """`amount` may be used from `effective_at` up to, not at, `expires_at` (billing rules 9); `expiration_duration` and
    `expiration_count` say where that came from. A fact that nobody changes: it is voided, once, from `voided_at` on.

    With a `recurrence` (an ISO 8601 duration, from `recurrence_anchor`) its balance is set to `amount` again each time.
    `issued` is the grant that an entitlement comes with, which each reset refills.
    """

    # `grant_of_entitlement` begins with the entitlement.
    entitlement = models.ForeignKey(Entitlement, on_delete=models.PROTECT, db_index=False, related_name="grants")
    amount = AmountField()
    priority = models.PositiveSmallIntegerField(default=1)
    effective_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    expiration_duration = models.CharField(max_length=8, null=True, blank=True)
    expiration_count = models.PositiveIntegerField(null=True, blank=True)
    max_rollover = AmountField(default=0)
    min_rollover = AmountField(default=0)
    recurrence = models.CharField(max_length=32, null=True, blank=True)
    recurrence_anchor = models.DateTimeField(null=True, blank=True)
    issued = models.BooleanField(default=False)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_metadata])
    annotations = models.JSONField(default=dict, blank=True)
    voided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        permissions = [("void_grant", "Can void grants")]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="grant_is_of_something"),
            models.CheckConstraint(
                condition=Q(max_rollover__gte=0, min_rollover__gte=0), name="grant_rolls_over_no_less_than_nothing"
            ),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("effective_at")),
                name="grant_expires_after_it_takes_effect",
            ),
            models.CheckConstraint(
                condition=Q(recurrence__isnull=True) | Q(recurrence_anchor__isnull=False),
                name="recurring_grant_has_an_anchor",
            ),
        ]
        indexes = [
            models.Index(fields=["entitlement", "-created_at"], name="grant_of_entitlement"),
            models.Index(fields=["-created_at", "-id"], name="grant_by_time"),
            models.Index(fields=["-updated_at", "-id"], name="grant_by_change"),
        ]

    def __str__(self) -> str:
        return f"{self.amount:f} for {self.entitlement}"
