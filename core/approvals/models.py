"""Changes that wait for a second person, and what one person did alone towards a limit."""

from django.db import models

from core import clock
from core.db import Record, ULIDField
from core.ids import new_id


class RequestStatus(models.TextChoices):
    WAITING = "waiting", "Waiting"
    APPLIED = "applied", "Approved and done"
    DECLINED = "declined", "Declined"
    WITHDRAWN = "withdrawn", "Withdrawn"


class ChangeRequest(Record):
    """A change that its author may not make alone, as it was asked for at the finance desk.

    `place` and `answers` are the page and what was typed there: approving sends them through the same page once more,
    in the approver's name, with every check made anew. `author` and `decided_by` name persons as
    `Actor.person` does. Expiry is real time, as it is for sessions: people wait by their own clock.
    """

    what = models.CharField(max_length=300)
    rule = models.TextField()
    effect = models.TextField()
    reason = models.TextField(blank=True)
    place = models.JSONField()
    answers = models.JSONField()
    digest = models.CharField(max_length=64, editable=False)
    author = models.CharField(max_length=80)
    author_name = models.CharField(max_length=200)
    expires_at = models.DateTimeField()
    status = models.CharField(max_length=16, choices=RequestStatus.choices, default=RequestStatus.WAITING)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=80, blank=True)
    decided_name = models.CharField(max_length=200, blank=True)
    decision_reason = models.TextField(blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        permissions = [
            ("approve_changerequest", "Can approve and decline what others propose"),
            ("withdraw_changerequest", "Can withdraw what they proposed themselves"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["digest"], name="one_waiting_request_for_a_change", condition=models.Q(status="waiting")
            ),
            models.CheckConstraint(
                condition=~models.Q(status="applied") | ~models.Q(decided_by=models.F("author")),
                name="nobody_approves_their_own_request",
            ),
        ]
        indexes = [models.Index(fields=["status", "-created_at"], name="changerequest_by_status")]

    def __str__(self) -> str:
        return self.what

    @property
    def has_expired(self) -> bool:
        return self.status == RequestStatus.WAITING and self.expires_at <= clock.real_now()


class CountedAct(models.Model):
    """One act that a person did alone and that counts towards a limit (`rule`), in real time."""

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    rule = models.CharField(max_length=32)
    person = models.CharField(max_length=80)
    subject_id = models.UUIDField()
    at = models.DateTimeField(default=clock.real_now)

    class Meta:
        indexes = [models.Index(fields=["person", "rule", "at"], name="countedact_by_person")]

    def __str__(self) -> str:
        return f"{self.person}: {self.rule}"
