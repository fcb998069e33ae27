"""How far back usage events are gone for good."""

from django.db import models

from core import clock


class DroppedUsage(models.Model):
    """All events from before `before`, UTC, were dropped, with the keys that told whether one was stored. So none of
    that time is taken again, however long events are kept from now on: it would count twice. Never changed."""

    before = models.DateTimeField(primary_key=True)
    dropped_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["before"]

    def __str__(self) -> str:
        return f"before {self.before:%Y-%m-%d %H:%M} UTC"
