"""Owns the states of an invoice, and which of them may follow which (billing rules 6, 11).

Whatever changes an invoice's status asks here: a single verb by `move`, a statement over many rows by `check_moves`,
and what stores new invoices by `check_beginnings`. A move that the table lacks is refused.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from invoicing.choices import InvoiceStatus as Status
from invoicing.errors import ForbiddenMove
from invoicing.models import Invoice

# A draft whose quantities are fixed: it waits for its time, or for a person.
_REVIEWED: Final = {Status.DRAFT_WAITING_AUTO_APPROVAL, Status.DRAFT_MANUAL_APPROVAL_NEEDED}
# A draft without lines is deleted at any step; a draft whose usage can't be collected stops there.
_COLLECTED: Final = {*_REVIEWED, Status.DRAFT_COLLECTING_FAILED, Status.DELETED}
# Issuing: a total of zero, or one that a balance covers, is paid at once.
_ISSUED: Final = {Status.ISSUED, Status.PAID, Status.DELETED}
_CHARGED: Final = {Status.PAYMENT_PENDING, Status.PAYMENT_ACTION_REQUIRED, Status.PAYMENT_FAILED}
_ENDED: Final = {Status.PAID, Status.UNCOLLECTIBLE}

_AFTER: Final[Mapping[Status, set[Status]]] = {
    # A gathering invoice stays one: lines leave it.
    Status.GATHERING: set(),
    Status.DRAFT_CREATED: _COLLECTED,
    Status.DRAFT_WAITING_FOR_COLLECTION: _COLLECTED,
    Status.DRAFT_COLLECTING: _COLLECTED,
    Status.DRAFT_COLLECTING_FAILED: _COLLECTED,
    Status.DRAFT_VALIDATING: {Status.DELETED},
    Status.DRAFT_SYNCING: {Status.DELETED},
    Status.DRAFT_SYNC_FAILED: {Status.DELETED},
    Status.DRAFT_WAITING_AUTO_APPROVAL: {*_ISSUED, Status.DRAFT_INVALID, Status.ISSUING_FAILED},
    # What waits for a person is put aside by no failure: trying that step again would issue it without one.
    Status.DRAFT_MANUAL_APPROVAL_NEEDED: _ISSUED,
    # Tried again, it may stop for another cause than before.
    Status.DRAFT_INVALID: {*_ISSUED, Status.ISSUING_FAILED},
    Status.ISSUING_SYNCING: set(),
    # Issuing alone is tried again, or the document is given up. One that has no lines left is deleted by it.
    Status.ISSUING_FAILED: {*_ISSUED, Status.DRAFT_INVALID},
    # Voided only while nothing is paid, and no charge is under way. What was settled without a payment is paid, too.
    Status.ISSUED: {*_CHARGED, *_ENDED, Status.OVERDUE, Status.VOIDED},
    # While a charge is under way the money may be on its way: not overdue before its outcome. Issued again: a part has
    # come in, or nothing was charged through no fault of the customer's.
    Status.PAYMENT_PENDING: {*_CHARGED, *_ENDED, Status.ISSUED},
    Status.PAYMENT_ACTION_REQUIRED: {*_CHARGED, *_ENDED, Status.ISSUED, Status.OVERDUE, Status.VOIDED},
    Status.PAYMENT_FAILED: {*_CHARGED, *_ENDED, Status.ISSUED, Status.OVERDUE, Status.VOIDED},
    # Charges go on, and it stays overdue until one succeeds.
    Status.OVERDUE: {*_ENDED, Status.VOIDED},
    # Money that was given back past us, or that the customer's bank took back, is due again.
    Status.PAID: {Status.ISSUED, Status.OVERDUE},
    # What comes in after all.
    Status.UNCOLLECTIBLE: {Status.PAID},
    Status.VOIDED: set(),
    Status.DELETED: set(),
}

MOVES: Final[Mapping[str, frozenset[str]]] = {
    before.value: frozenset(after.value for after in afters if after is not before) for before, afters in _AFTER.items()
}
"""From each state, those that may follow. Any state may also follow itself: its note or its next try changes."""

BEGINNINGS: Final = frozenset(
    status.value
    for status in (
        Status.GATHERING,
        Status.DRAFT_WAITING_FOR_COLLECTION,
        *_REVIEWED,
        Status.ISSUED,
        Status.PAID,
    )
)
"""The states that a close may store a new invoice in."""

NOT_WRITTEN: Final = frozenset(
    status.value
    for status in (
        # The first step of a draft is done as it is made.
        Status.DRAFT_CREATED,
        # Usage is collected within one transaction: nobody sees it under way.
        Status.DRAFT_COLLECTING,
        # No app takes drafts or invoices over yet, or says that one is wrong.
        Status.DRAFT_VALIDATING,
        Status.DRAFT_SYNCING,
        Status.DRAFT_SYNC_FAILED,
        Status.ISSUING_SYNCING,
    )
)
"""States that REST promises and that nothing writes yet: no beginning, and no move leads there."""


def may_follow(before: str, after: str) -> bool:
    """Whether an invoice in the state `before` may come to be in `after`."""
    return before == after or str(after) in MOVES[str(before)]


def check_move(before: str, after: str) -> None:
    """ForbiddenMove where the table has no such move."""
    if not may_follow(before, after):
        raise ForbiddenMove(before=Status(before), after=Status(after))


def check_moves(moves: Iterable[tuple[str, str]]) -> None:
    """The same for many rows at once: each pair is the state that a row has and the one that it is to have."""
    for before, after in set(moves):
        check_move(before, after)


def check_beginnings(statuses: Iterable[str]) -> None:
    """ForbiddenMove where no new invoice may be stored in one of `statuses`."""
    for status in set(statuses) - BEGINNINGS:
        raise ForbiddenMove(before=None, after=Status(status))


def move(invoice: Invoice, to: str, *, note: str | None = None) -> None:
    """Put an invoice, whose row the caller has locked, into another state, with a note on why (None: the note stays).
    The caller saves it. ForbiddenMove where the table has no such move."""
    check_move(invoice.status, to)
    invoice.status = Status(to)
    if note is not None:
        invoice.status_note = note
