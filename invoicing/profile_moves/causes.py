"""The causes that a check of a move finds, each with the rows that it comes from."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import models


class Severity(models.TextChoices):
    """How a customer stands before a move. A warning lets them move, and says what stays behind."""

    READY = "ready", "Ready"
    WARNING = "warning", "Warning"
    BLOCKED = "blocked", "Blocked"


class CauseCode(models.TextChoices):
    NO_CUSTOMER_ID = "no_customer_id", "No customer id at the app"
    NO_PAYMENT_METHOD = "no_payment_method", "No valid default payment method"
    APP_UNREACHABLE = "app_unreachable", "The app gave no answer"
    CHECK_FAILED = "check_failed", "The check failed"
    OTHER_CURRENCY = "other_currency", "Another currency"
    BALANCE = "balance", "Customer balance"
    UNUSED_PERIODS = "unused_periods", "Unused periods billed in advance"
    OPEN_PARTS = "open_parts", "Periods billed in parts"
    NOT_ON_SOURCE = "not_on_source", "Not billed by the source profile"
    CUSTOMER_DELETED = "customer_deleted", "Deleted customer"
    TAX_OFF = "tax_off", "Without tax"
    OPEN_DRAFTS = "open_drafts", "Open drafts"
    UNPAID_INVOICES = "unpaid_invoices", "Unpaid invoices"
    THRESHOLD_CURRENCY = "threshold_currency", "Threshold in another currency"


WARNINGS = {CauseCode.OPEN_DRAFTS, CauseCode.UNPAID_INVOICES, CauseCode.THRESHOLD_CURRENCY}


@dataclass(frozen=True, slots=True)
class Link:
    """A row that a cause comes from. `kind` is `invoice`, `customer` or `subscription`, `id` its id as text."""

    kind: str
    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a customer is blocked, or what to know before they move, in words that staff can act on."""

    code: CauseCode
    message: str
    links: tuple[Link, ...] = ()

    @property
    def severity(self) -> Severity:
        return Severity.WARNING if self.code in WARNINGS else Severity.BLOCKED

    def as_json(self) -> dict[str, Any]:
        """The cause as an item of a migration keeps it."""
        links = [{"kind": link.kind, "id": link.id, "label": link.label} for link in self.links]
        return {
            "code": self.code.value,
            "severity": self.severity.value,
            "message": self.message,
            "links": links,
        }


def severity_of(causes: Iterable[Cause]) -> Severity:
    """The worst of these causes; ready where there are none."""
    found = {cause.severity for cause in causes}
    if Severity.BLOCKED in found:
        return Severity.BLOCKED
    return Severity.WARNING if found else Severity.READY
