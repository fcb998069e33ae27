"""The closed lists of words that runs, invoices and payments use."""

from django.db import models


class InvoiceStatus(models.TextChoices):
    """Every state of an invoice's life (billing rules 6). The part before the dot is the status that REST shows."""

    GATHERING = "gathering", "Gathering"
    DRAFT_CREATED = "draft.created", "Draft: created"
    DRAFT_WAITING_FOR_COLLECTION = "draft.waiting_for_collection", "Draft: waiting for collection"
    DRAFT_COLLECTING = "draft.collecting", "Draft: collecting usage"
    DRAFT_COLLECTING_FAILED = "draft.collecting_failed", "Draft: collecting usage failed"
    DRAFT_VALIDATING = "draft.validating", "Draft: validating"
    DRAFT_INVALID = "draft.invalid", "Draft: invalid"
    DRAFT_SYNCING = "draft.syncing", "Draft: syncing with the app"
    DRAFT_SYNC_FAILED = "draft.sync_failed", "Draft: syncing failed"
    DRAFT_WAITING_AUTO_APPROVAL = "draft.waiting_auto_approval", "Draft: waiting for auto-approval"
    DRAFT_MANUAL_APPROVAL_NEEDED = "draft.manual_approval_needed", "Draft: approval needed"
    ISSUING_SYNCING = "issuing.syncing", "Issuing"
    ISSUING_FAILED = "issuing.failed", "Issuing failed"
    ISSUED = "issued", "Issued"
    PAYMENT_PENDING = "payment_processing.pending", "Payment processing"
    PAYMENT_ACTION_REQUIRED = "payment_processing.action_required", "Payment: action required"
    PAYMENT_FAILED = "payment_processing.failed", "Payment failed"
    OVERDUE = "overdue", "Overdue"
    PAID = "paid", "Paid"
    UNCOLLECTIBLE = "uncollectible", "Uncollectible"
    VOIDED = "voided", "Voided"
    DELETED = "deleted", "Deleted"


DRAFT_STATUSES = tuple(status for status in InvoiceStatus if status.value.startswith("draft."))

# Made and not issued yet: what a deletion, an archived profile or a switched app would leave behind.
UNISSUED_STATUSES = (*DRAFT_STATUSES, InvoiceStatus.ISSUING_SYNCING, InvoiceStatus.ISSUING_FAILED)

# What has no number and can be given up: drafts, and what could not be issued.
DELETABLE_STATUSES = (*DRAFT_STATUSES, InvoiceStatus.ISSUING_FAILED)

# What is no document for its customer: lines that wait, and a draft that is gone. Lists and histories leave them out.
NO_DOCUMENTS = (InvoiceStatus.GATHERING, InvoiceStatus.DELETED)

# Not issued yet, and a step failed: staff fix the cause and retry the step.
STOPPED_STATUSES = (
    InvoiceStatus.DRAFT_COLLECTING_FAILED,
    InvoiceStatus.DRAFT_INVALID,
    InvoiceStatus.DRAFT_SYNC_FAILED,
    InvoiceStatus.ISSUING_FAILED,
)

# A step failed, of the draft, of issuing or of collecting: REST says `failed`.
FAILED_STATUSES = (*STOPPED_STATUSES, InvoiceStatus.PAYMENT_FAILED)

# Issued, and money is still expected: what collection, dunning and ageing look at.
OPEN_STATUSES = (
    InvoiceStatus.ISSUED,
    InvoiceStatus.PAYMENT_PENDING,
    InvoiceStatus.PAYMENT_ACTION_REQUIRED,
    InvoiceStatus.PAYMENT_FAILED,
    InvoiceStatus.OVERDUE,
)

# Money that comes in for them is booked on what is due: those which are open, and those which were given up.
SETTLEABLE_STATUSES = (*OPEN_STATUSES, InvoiceStatus.UNCOLLECTIBLE)


class LineStatus(models.TextChoices):
    VALID = "valid", "Valid"
    SPLIT = "split", "Split"


class LineManagedBy(models.TextChoices):
    SUBSCRIPTION = "subscription", "Subscription"
    SYSTEM = "system", "System"
    MANUAL = "manual", "Manual"


class LineKind(models.TextChoices):
    FLAT = "flat", "Flat fee"
    USAGE = "usage", "Usage"
    CREDIT = "credit", "Credit for an unused part"
    LATE = "late", "Late usage"


class LateUsageState(models.TextChoices):
    """What was decided about usage that came after the quantity snapshot of its window (billing rules 6)."""

    OPEN = "open", "To decide"
    BILLED = "billed", "Billed by an adjustment"
    CREDITED = "credited", "Credited"
    WAIVED = "waived", "Waived"
    REISSUED = "reissued", "Billed anew with its invoice"
    ABSORBED = "absorbed", "Nothing is late any more"


# What these cases hold is settled: it counts as what their windows were billed for.
LATE_USAGE_SETTLED = (LateUsageState.BILLED, LateUsageState.CREDITED, LateUsageState.WAIVED)


class CreditReason(models.TextChoices):
    UNUSED = "unused", "Unused part of a fee billed in advance"
    CORRECTION = "correction", "Correction"


class BalanceKind(models.TextChoices):
    CREDIT_NOTE = "credit_note", "Credit note"
    OVERPAYMENT = "overpayment", "Overpayment"
    APPLIED = "applied", "Applied to an invoice"
    RELEASED = "released", "Released by a void"
    REFUND = "refund", "Refunded"


class WindowKind(models.TextChoices):
    CHARGE = "charge", "Charged"
    UNREPORTED = "unreported", "Nothing was reported"
    WAIVER = "waiver", "Waived"


class SeriesKind(models.TextChoices):
    INVOICE = "invoice", "Invoices"
    CREDIT_NOTE = "credit_note", "Credit notes"


class PaymentStatus(models.TextChoices):
    PENDING = "pending", "Pending"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    ACTION_REQUIRED = "action_required", "Action required"
    UNKNOWN = "unknown", "Outcome unknown"


# Sent to the provider, and nothing final is known: no other charge may start meanwhile.
IN_FLIGHT = (PaymentStatus.PENDING, PaymentStatus.UNKNOWN)


class RefundStatus(models.TextChoices):
    PENDING = "pending", "Pending"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    UNKNOWN = "unknown", "Outcome unknown"


class StatementStatus(models.TextChoices):
    REVIEW = "review", "To review"
    CONFIRMED = "confirmed", "Booked"
    DISCARDED = "discarded", "Discarded"


class MatchStatus(models.TextChoices):
    """What the import found for a row of a bank statement."""

    EXACT = "exact", "Number and amount match"
    PARTIAL = "partial", "Less than is due"
    OVER = "over", "More than is due"
    AMOUNT_ONLY = "amount_only", "Only the amount matches"
    AMBIGUOUS = "ambiguous", "Several invoices fit"
    NOT_OPEN = "not_open", "Nothing is due on it"
    UNMATCHED = "unmatched", "No invoice found"
    DUPLICATE = "duplicate", "Booked already"
    OUTGOING = "outgoing", "Not a receipt"


class RowDecision(models.TextChoices):
    OPEN = "open", "To decide"
    BOOK = "book", "Book"
    SKIP = "skip", "Leave out"


class RunStatus(models.TextChoices):
    PENDING = "pending", "Waiting"
    RUNNING = "running", "Running"
    DONE = "done", "Done"


class RunTrigger(models.TextChoices):
    SCHEDULE = "schedule", "Schedule"
    STAFF = "staff", "Staff"
    API = "api", "API"
    CLOCK = "clock", "Test clock"


class CustomerOutcome(models.TextChoices):
    """How a run ended for one customer."""

    PENDING = "pending", "Waiting"
    INVOICED = "invoiced", "Invoiced"
    DRAFTED = "drafted", "Draft made"
    NOTHING = "nothing", "Nothing to bill"
    PARKED = "parked", "Parked"
    SKIPPED = "skipped", "Skipped: already parked"


class MigrationStatus(models.TextChoices):
    DRAFT = "draft", "Draft"
    CHECKED = "checked", "Checked"
    APPROVED = "approved", "Approved"
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"


class ShardKind(models.TextChoices):
    CHECK = "check", "Check"
    MOVE = "move", "Move"
    PIN = "pin", "Pin"


class MoveVerdict(models.TextChoices):
    """How a check found a customer before they move."""

    UNCHECKED = "unchecked", "Not checked yet"
    READY = "ready", "Ready"
    WARNING = "warning", "Warning"
    BLOCKED = "blocked", "Blocked"


class MoveOutcome(models.TextChoices):
    """What came of a customer's move. Waiting means in the batch that is under way."""

    PENDING = "pending", "Not moved yet"
    WAITING = "waiting", "Waiting"
    MOVED = "moved", "Moved"
    FAILED = "failed", "Failed"
    BLOCKED = "blocked", "Blocked"
    TAKEN_BACK = "taken_back", "Taken back"
    CANCELLED = "cancelled", "Cancelled"
