"""When a customer is due: the one thing that a schedule looks at."""

from django.db import models

from customers.models import Customer


class BillingDue(models.Model):
    """A customer is looked at again at `due_at` for what they are billed in `currency` (billing rules 6).

    Nothing else makes anybody due: no row, nothing that waits. A close sets it exactly: to when the next line falls
    due, or what has fallen due is collected (billing rules 5). Whatever changes a
    subscription's facts, a service or SQL, only makes it earlier, and so do other terms of billing: triggers of the
    database see to that (`triggers.py`). A time too early costs a look that writes nothing; there is none too late.
    """

    id = models.BigAutoField(primary_key=True)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, db_index=False, related_name="billing_due")
    currency = models.CharField(max_length=3)
    due_at = models.DateTimeField()

    class Meta:
        ordering = ["due_at", "id"]
        constraints = [models.UniqueConstraint(fields=["customer", "currency"], name="due_once_a_currency")]
        indexes = [models.Index(fields=["due_at"], name="billing_due_by_time")]

    def __str__(self) -> str:
        return f"{self.customer} in {self.currency}, due {self.due_at:%Y-%m-%d %H:%M} UTC"
