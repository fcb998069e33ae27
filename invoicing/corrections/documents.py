"""Owns the documents of what comes back, before they are stored: credit lines and credit notes. No I/O."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from core.ids import new_id
from core.money import ZERO
from invoicing.choices import CreditReason
from invoicing.corrections.explain_credits import explain_unused, given_by_note
from invoicing.corrections.unused_time import UnusedPart
from invoicing.money_columns import Totals, line_totals
from invoicing.rating.explanation import CreditExplanation
from invoicing.tax import LineTax, TaxTerms


@dataclass(slots=True)
class CreditLine:
    """A line that gives back `amount` (positive, net) of an unused part, at the tax of the line that charged it."""

    unused: UnusedPart
    amount: Decimal
    id: uuid.UUID = field(default_factory=new_id)
    tax: LineTax | None = None

    @property
    def subscription_id(self) -> uuid.UUID:
        return self.unused.subscription.id

    @property
    def net(self) -> Decimal:
        return -self.amount

    @property
    def tax_terms(self) -> TaxTerms | None:
        return self.unused.line.tax

    def totals(self) -> Totals:
        return line_totals(-self.amount, ZERO, ZERO, self.tax)


@dataclass(slots=True)
class CreditPart:
    """`amount` (positive, net) that a credit note gives back of the line `line_id`, at that line's tax; `explanation`
    says how it came about."""

    line_id: uuid.UUID
    name: str
    start: datetime
    end: datetime
    amount: Decimal
    tax_terms: TaxTerms | None
    explanation: CreditExplanation | None = None
    tax: LineTax | None = None

    @classmethod
    def of(cls, unused: UnusedPart, amount: Decimal) -> "CreditPart":
        explanation = given_by_note(explain_unused(unused), amount)
        return cls(unused.line.id, unused.name, unused.start, unused.end, amount, unused.line.tax, explanation)

    def totals(self) -> Totals:
        return line_totals(self.amount, ZERO, ZERO, self.tax)


@dataclass(slots=True)
class CreditNoteDocument:
    """A note over an issued invoice: what other charges could not take of its customer's credit, or a correction by
    staff, for a `reason`."""

    customer_id: uuid.UUID
    currency: str
    invoice_id: uuid.UUID
    parts: list[CreditPart]
    reason_code: CreditReason = CreditReason.UNUSED
    reason: str = ""
    id: uuid.UUID = field(default_factory=new_id)
    number: str = ""
