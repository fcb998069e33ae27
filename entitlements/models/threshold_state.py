"""What notification rules have seen of usage periods, so that no crossing is told twice."""

from django.db import models

from core.db import AmountField, ULIDField
from core.ids import new_id
from core.notifications.models import Rule
from customers.models import Customer
from entitlements.models.feature import Feature


class ThresholdState(models.Model):
    """The thresholds of a rule that a customer has passed in a feature's usage period, which began at `period_start`.

    By customer and feature, not by entitlement: a change of plan replaces that, and the period goes on. `passed`
    maps each threshold to the total when it was passed, `fired` to how often it was told. `usage` is that of the last
    look.
    """

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, db_index=False, related_name="+")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, db_index=False, related_name="+")
    feature = models.ForeignKey(Feature, on_delete=models.CASCADE, related_name="+")
    period_start = models.DateTimeField()
    usage = AmountField(default=0)
    passed = models.JSONField(default=dict)
    fired = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "feature", "period_start", "rule"], name="thresholds_are_passed_once"
            )
        ]
        indexes = [
            models.Index(fields=["rule"], name="threshold_state_of_rule"),
            models.Index(fields=["period_start", "id"], name="threshold_state_by_period"),
        ]

    def __str__(self) -> str:
        return f"{self.rule}: {self.customer}, {self.feature} from {self.period_start:%Y-%m-%d %H:%M} UTC"
