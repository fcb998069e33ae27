"""A key that product teams call the REST API with."""

from datetime import datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from billing_site.access.choices import APPROVED_SCOPES, Scope
from core.db import ULIDField
from core.ids import new_id


class ApiKey(models.Model):
    """The key itself is shown once and never stored: `digest` is the SHA-256 of it, `prefix` its visible start.

    A plain SHA-256 is enough, because a key is 256 random bits and no password that could be guessed.
    Expiry and last use are real time, whatever the test clock says.
    """

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=128)
    prefix = models.CharField(max_length=16, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=32, choices=Scope.choices))
    created_at = models.DateTimeField(editable=False)
    # Kept: a key without a maker is the installation's own, and may do alone what takes two. Who leaves is deactivated.
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API key"
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(scopes__len__gt=0), name="access_apikey_has_scopes"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    # DRF takes what authenticates for a user.
    is_authenticated = True
    is_anonymous = False

    def allows(self, scope: str) -> bool:
        """Whether the key's scopes include `scope`.

        `*` of a key that staff made leaves out what a second person must have approved: acting alone, and speaking for
        customers. A key that the installation itself was given has no such maker.
        """
        everything = Scope.ALL in self.scopes and (scope not in APPROVED_SCOPES or self.created_by_id is None)
        return everything or scope in self.scopes

    def refusal(self, *, at: datetime) -> str | None:
        """Why the key can't be used at `at` (real time), or None where it can."""
        if self.revoked_at:
            return "This API key was revoked."
        if self.expires_at and self.expires_at <= at:
            return "This API key has expired."
        return None
