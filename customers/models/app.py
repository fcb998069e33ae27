"""Billing apps: the ways of collecting money, and what each knows of a customer."""

from django.db import models

from core.db import Record, ULIDField
from core.ids import new_id
from customers.choices import AppStatus, AppType


class BillingApp(Record):
    """One installed app. Profiles are tied to theirs for good: moving a customer to another app is a migration."""

    type = models.CharField(max_length=32, choices=AppType.choices)
    name = models.CharField(max_length=256)
    description = models.TextField(blank=True)
    status = models.CharField(max_length=32, choices=AppStatus.choices, default=AppStatus.READY)
    metadata = models.JSONField(default=dict, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CustomerAppData(models.Model):
    """What an app keeps of a customer: its own id of them, and settings (the sandbox: `{"outcome": "decline"}`)."""

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    customer = models.ForeignKey("customers.Customer", on_delete=models.CASCADE, related_name="app_data")
    app = models.ForeignKey(BillingApp, on_delete=models.PROTECT, related_name="customer_data")
    external_id = models.CharField(max_length=255, null=True, blank=True)
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = "customer app data"
        verbose_name_plural = "customer app data"
        constraints = [
            models.UniqueConstraint(fields=["customer", "app"], name="one_app_data_per_customer_and_app"),
            models.UniqueConstraint(
                fields=["app", "external_id"],
                name="external_id_belongs_to_one_customer",
                condition=models.Q(external_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer} at {self.app}"
