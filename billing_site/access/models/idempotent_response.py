"""The first answer to a POST with an `Idempotency-Key`, kept so that a repeat gets it again."""

from django.db import models

from .api_key import ApiKey


class IdempotentResponse(models.Model):
    """Written in the transaction of the request that it answers: either both are there or neither.

    `status` is null only inside that transaction, where the row holds the place against a concurrent repeat.
    """

    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="+")
    path = models.CharField(max_length=2048)
    idempotency_key = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    content_type = models.CharField(max_length=100, blank=True)
    body = models.BinaryField(default=bytes)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["api_key", "path", "idempotency_key"], name="access_idempotentresponse_one_per_request"
            )
        ]

    def __str__(self) -> str:
        return f"{self.path} {self.idempotency_key}"
