"""What there is to tell of invoices: marked by the database with each change, told and taken away by `notices`."""

from django.db import models

from core.ids import to_text


class InvoiceNews(models.Model):
    """An invoice was made or has changed, in a transaction that ended well. Only made where a notification rule asks
    for it. `kind` is the type of the event; `at` is when, by the billing clock."""

    id = models.BigAutoField(primary_key=True)
    invoice_id = models.UUIDField()
    kind = models.CharField(max_length=32)
    at = models.DateTimeField()

    class Meta:
        verbose_name = "news of an invoice"
        verbose_name_plural = "news of invoices"
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} of {to_text(self.invoice_id)}"
