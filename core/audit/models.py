"""The audit trail. Rows are only ever added: a trigger refuses updates and deletes."""

from django.db import models

from core import clock
from core.db import ULIDField
from core.ids import new_id


class AuditEntry(models.Model):
    """One act. `sentence` is complete prose ("Ada Byron pinned Acme to Enterprise."), so that it survives renames.

    Targets and customers are named by id and label, not by foreign key: this package knows no model above it, and the
    trail outlives what it speaks of.
    """

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    at = models.DateTimeField(default=clock.now, db_index=True)
    actor_kind = models.CharField(max_length=16)  # user, api_key, system
    actor_id = models.CharField(max_length=64, blank=True)
    actor_label = models.CharField(max_length=200)
    verb = models.CharField(max_length=64, db_index=True)
    target_type = models.CharField(max_length=64)
    target_id = models.UUIDField(null=True)
    target_label = models.CharField(max_length=300, blank=True)
    customer_id = models.UUIDField(null=True)
    sentence = models.TextField()
    reason = models.TextField(blank=True)
    changes = models.JSONField(default=dict)

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["customer_id", "-at"], name="audit_customer"),
            models.Index(fields=["target_type", "target_id", "-at"], name="audit_target"),
        ]

    def __str__(self) -> str:
        return self.sentence
