"""What plans and add-ons have in common: versions under one key, and rate cards."""

from django.db import models

from core.db import Record, validate_metadata
from subscriptions.choices import RateCardType


class CatalogVersion(Record):
    """One version of what is sold under `key`. A draft has no `effective_from`; publishing sets it and ends the version
    before. A published version never changes: customers bought by it."""

    key = models.CharField(max_length=64)
    version = models.PositiveIntegerField(default=1)
    name = models.CharField(max_length=256)
    description = models.CharField(max_length=1024, null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_metadata])
    currency = models.CharField(max_length=3)
    effective_from = models.DateTimeField(null=True, blank=True)
    effective_to = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class AbstractRateCard(Record):
    """A rate card. `price`, `discounts`, `tax_config` and `entitlement_template` are as on the wire;
    `subscriptions.pricing` reads them. A flat fee without cadence is charged once."""

    position = models.PositiveSmallIntegerField()
    type = models.CharField(max_length=16, choices=RateCardType.choices)
    key = models.CharField(max_length=64)
    name = models.CharField(max_length=256)
    description = models.CharField(max_length=1024, null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_metadata])
    billing_cadence = models.CharField(max_length=16, null=True, blank=True)
    price = models.JSONField(null=True, blank=True)
    discounts = models.JSONField(null=True, blank=True)
    tax_config = models.JSONField(null=True, blank=True)
    entitlement_template = models.JSONField(null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name
