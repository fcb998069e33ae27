"""Bank statements that staff import: rows are matched to invoices, reviewed, then booked as payments."""

from django.db import models
from django.db.models import Q

from core.db import AmountField, Record, ULIDField
from core.ids import new_id
from customers.models import BillingApp
from invoicing.choices import MatchStatus, RowDecision, StatementStatus
from invoicing.models.invoice import Invoice
from invoicing.models.payment import Payment


class BankStatement(Record):
    """One imported file. `content_hash` keeps the same file from being imported twice for an app."""

    app = models.ForeignKey(BillingApp, on_delete=models.PROTECT, related_name="bank_statements")
    file_name = models.CharField(max_length=255)
    content_hash = models.CharField(max_length=64)
    status = models.CharField(max_length=16, choices=StatementStatus.choices, default=StatementStatus.REVIEW)
    imported_by = models.CharField(max_length=255, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        permissions = [("confirm_bankstatement", "Can book the rows of bank statements")]
        constraints = [
            models.UniqueConstraint(
                fields=["app", "content_hash"],
                name="statement_imported_once",
                condition=~Q(status=StatementStatus.DISCARDED),
            )
        ]

    def __str__(self) -> str:
        return self.file_name


class BankStatementRow(models.Model):
    """One movement on the account. `match` says what the import found, `decision` what is to happen with it;
    `payment` is set once it is booked. `told_booked`: whoever decides is told that it may be booked already, from
    another file; a decision that was made without knowing so books nothing."""

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    statement = models.ForeignKey(BankStatement, on_delete=models.CASCADE, related_name="rows")
    position = models.PositiveIntegerField()
    booked_on = models.DateField()
    amount = AmountField()
    currency = models.CharField(max_length=3)
    reference = models.TextField(blank=True)
    payer = models.CharField(max_length=255, blank=True)
    transaction_id = models.CharField(max_length=255, blank=True)
    match = models.CharField(max_length=16, choices=MatchStatus.choices)
    note = models.TextField(blank=True)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, null=True, blank=True, related_name="statement_rows")
    decision = models.CharField(max_length=16, choices=RowDecision.choices, default=RowDecision.OPEN)
    told_booked = models.BooleanField(default=False)
    payment = models.OneToOneField(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="statement_row"
    )

    class Meta:
        ordering = ["statement", "position"]
        constraints = [
            models.UniqueConstraint(fields=["statement", "position"], name="one_row_per_position"),
            models.CheckConstraint(
                condition=Q(invoice__isnull=False) | ~Q(decision=RowDecision.BOOK), name="row_to_book_has_an_invoice"
            ),
        ]
        indexes = [
            models.Index(fields=["booked_on", "amount"], name="row_by_day_and_amount"),
            models.Index(fields=["transaction_id"], name="row_by_transaction", condition=~Q(transaction_id="")),
        ]

    def __str__(self) -> str:
        return f"row {self.position} of {self.statement}"

    @property
    def match_label(self) -> str:
        """How the row fits. With one invoice for itself it is doubtful for what the note says, not for a choice."""
        if self.match == MatchStatus.AMBIGUOUS and self.invoice_id is not None and self.note:
            return "Doubtful"
        return MatchStatus(self.match).label
