"""The customer, and the usage subjects that count as theirs."""

from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models.functions import Upper

from core.db import Record, validate_metadata
from customers.models.address import Addressed


class Customer(Addressed, Record):
    """Who is billed. A deleted customer stays as a row, because invoices refer to it; its key becomes free.

    `time_zone` is the default of new subscriptions, each of which freezes its own (billing rules 2). `currency`, when
    set, binds new subscriptions (billing rules 1).
    """

    key = models.CharField(max_length=256, null=True, blank=True)
    name = models.CharField(max_length=256)
    description = models.CharField(max_length=1024, null=True, blank=True)
    primary_email = models.EmailField(max_length=254, null=True, blank=True)
    currency = models.CharField(max_length=3, null=True, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    tax_id = models.CharField(max_length=64, blank=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_metadata])
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name", "id"]
        permissions = [("pin_customer", "Can pin customers to profiles and unpin them")]
        constraints = [
            models.UniqueConstraint(
                fields=["key"], name="customer_key_is_unique", condition=models.Q(deleted_at__isnull=True)
            )
        ]
        indexes = [
            models.Index(fields=["created_at", "id"], name="customer_created"),
            models.Index(fields=["name", "id"], name="customer_name"),
            models.Index(fields=["key", "id"], name="customer_key"),
            models.Index(fields=["primary_email", "id"], name="customer_email"),
            # What staff type is matched from the start of a word they know, in either case.
            models.Index(OpClass(Upper("name"), name="text_pattern_ops"), name="customer_name_prefix"),
            models.Index(OpClass(Upper("key"), name="text_pattern_ops"), name="customer_key_prefix"),
            models.Index(OpClass(Upper("primary_email"), name="text_pattern_ops"), name="customer_email_prefix"),
        ]

    def __str__(self) -> str:
        return self.name


class UsageSubject(models.Model):
    """A subject of usage events attributed to a customer: at most one customer that is not deleted has it at a time.

    Its usage is the customer's from `active_from` (null: however old it is) until `deleted_at`, so that each event
    counts for one customer, also where a subject moves in mid-period.
    """

    id = models.BigAutoField(primary_key=True)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="usage_subjects")
    key = models.CharField(max_length=256)
    active_from = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["key"], name="subject_belongs_to_one_customer", condition=models.Q(deleted_at__isnull=True)
            )
        ]
        # The constraint finds whose a subject is; this, whose it was.
        indexes = [
            models.Index(fields=["key"], name="subject_of_the_past", condition=models.Q(deleted_at__isnull=False))
        ]

    def __str__(self) -> str:
        return self.key
