"""The stored time."""

from django.db import models


class ClockSetting(models.Model):
    """The only row: what time it is for billing (null: real time), and where an advance is heading."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    now = models.DateTimeField(null=True)
    advancing_to = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="clock_is_one_row")]

    def __str__(self) -> str:
        return "real time" if self.now is None else f"test clock at {self.now:%Y-%m-%d %H:%M:%S} UTC"
