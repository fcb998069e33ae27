"""When somebody's entitlement to a feature is looked at: the one thing that its schedule looks at."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from customers.models import Customer


class EntitlementDue(models.Model):
    """A customer's metered entitlement to `feature_key`, whichever it is at a time, is looked at again at `due_at`:
    when a usage period begins, when a grant begins, is renewed or ends, when the entitlement itself begins or ends;
    null: nothing is to come. All calendar resets up to `seen_to` have been looked at; `resets` are moments at which
    usage may have been reset otherwise.

    Each look sets it exactly; an `EntitlementChange` makes it due at once.
    """

    id = models.BigAutoField(primary_key=True)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, db_index=False, related_name="+")
    feature_key = models.CharField(max_length=64)
    due_at = models.DateTimeField(null=True)
    seen_to = models.DateTimeField()
    resets = ArrayField(models.DateTimeField(), default=list)

    class Meta:
        ordering = ["due_at", "id"]
        constraints = [models.UniqueConstraint(fields=["customer", "feature_key"], name="entitlement_due_once")]
        indexes = [
            models.Index(fields=["due_at", "id"], name="entitlement_due_by_time", condition=Q(due_at__isnull=False))
        ]

    def __str__(self) -> str:
        return f"{self.feature_key} of {self.customer}"


class SpendingChange(models.Model):
    """A customer who is billed whenever their spending reaches a threshold has used something, or it was taken back:
    `notices.changes` writes this where it finds what has changed, the database where other terms let it be reached,
    and the watch of spending (billing rules 7) takes it away. Any number for one customer: nobody waits for anybody to
    write one."""

    id = models.BigAutoField(primary_key=True)
    customer_id = models.UUIDField(db_index=True)

    def __str__(self) -> str:
        return f"usage of {self.customer_id}"


class EntitlementChange(models.Model):
    """A customer's entitlement to `feature_key`, a grant or a reset of it was written at `at`: the database writes this
    with the change (`triggers.py`), and `notices.changes` turns it into due times. `reset`: when usage may have been
    reset by it. Nobody waits for anybody to write one, and what is rolled back leaves none."""

    id = models.BigAutoField(primary_key=True)
    customer_id = models.UUIDField()
    feature_key = models.CharField(max_length=64)
    at = models.DateTimeField()
    reset = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.feature_key} at {self.at:%Y-%m-%d %H:%M} UTC"
