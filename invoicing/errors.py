"""What can go wrong in billing, as errors that people can act on."""

from datetime import datetime

from core.approvals.errors import SecondPersonNeeded
from core.errors import Conflict, PreconditionFailed
from invoicing.choices import InvoiceStatus

INTERNAL_ERROR = "internal_error"
"""The code of a cause that nobody expected: not the customer's facts are wrong, but something of ours."""


class CannotBill(PreconditionFailed):
    """A customer can't be billed until somebody mends the cause: a close parks them with this message."""

    default_code = "cannot_bill"


class WorkersLost(CannotBill):
    """Worker after worker was lost with this one customer alone: out of memory, say."""

    default_code = "workers_lost"

    def __init__(self, *, workers: int) -> None:
        super().__init__(
            f"{workers} workers in a row ended without a word while they were at this customer and nobody else, as "
            "they do when memory runs out. Nothing was changed. See what is extraordinary here, very many usage events "
            "or items perhaps, and what the workers' host says of their end; then try them again."
        )


class CustomerParked(PreconditionFailed):
    """A parked customer is billed nothing, by nobody, until staff release them."""

    default_code = "customer_parked"

    def __init__(self, *, customer: str, cause: str) -> None:
        super().__init__(
            f"{customer} is parked: {cause} Release the customer first. Nothing was changed, and nothing invoiced."
        )


class StillParked(PreconditionFailed):
    """A parked customer is not released while the cause holds: the next run would only park them again."""

    default_code = "still_parked"

    def __init__(self, *, customer: str, cause: str) -> None:
        super().__init__(f"{customer} stays parked, since they can't be billed yet: {cause}")


class NegativeAmount(Conflict):
    """A change would lower what is billed already (billing rules 4): refused, nothing is changed."""

    default_code = "negative_amount"


class PartBilled(Conflict):
    """A part of a running period is billed with its free units (billing rules 7): those are not changed under it."""

    default_code = "part_billed"

    def __init__(self, *, item: str, until: datetime) -> None:
        super().__init__(
            f"A part of the running period of {item} is billed, with the units that were free until then. Its usage "
            f"discount can't be changed before the period ends, on {until:%Y-%m-%d %H:%M} UTC. Nothing was changed. "
            "Let the change begin then."
        )


class FiguresMoved(Conflict):
    """What was shown is not what would be billed any more: refused, nothing is changed."""

    default_code = "figures_moved"

    def __init__(self) -> None:
        super().__init__("What you saw is no longer what would be billed. Nothing was changed. Look at it again.")


class WrongInvoiceState(PreconditionFailed):
    """The invoice is not in a state in which this can be done."""

    default_code = "wrong_invoice_state"


class ForbiddenMove(WrongInvoiceState):
    """No invoice comes from the one state to the other (`invoicing.lifecycle.states`)."""

    default_code = "forbidden_move"

    def __init__(self, *, before: InvoiceStatus | None, after: InvoiceStatus) -> None:
        what = "A new invoice" if before is None else f"An invoice that is “{before.label}”"
        super().__init__(
            f"{what} can't become “{after.label}”. Nothing was changed.",
            context={"from": before and before.value, "to": after.value},
        )


class OpenBusiness(Conflict):
    """The customer has subscriptions or invoices that are not settled."""

    default_code = "open_business"


class AlreadyRecorded(Conflict):
    """This money is booked already."""

    default_code = "already_recorded"


class ContradictsInvoice(Conflict):
    """A change in the past that an invoice which was made since then knows nothing of (billing rules 10)."""

    default_code = "contradicts_invoice"

    def __init__(self, *, document: str, line: str, span: str, at: str) -> None:
        super().__init__(
            f"{document} bills {line} for {span}, so nothing can change on {at} any more. Nothing was changed. Date "
            "the change later, or correct that document first.",
            context={"document": document},
        )


class OtherStripeAccount(Conflict):
    """A Stripe account is tied to one app, and an app to one account."""

    default_code = "other_stripe_account"


class AppNotUsable(Conflict):
    """The app is in use, or can't do what is asked."""

    default_code = "app_not_usable"


class MoveBlocked(PreconditionFailed):
    """The customer can't move to another billing profile until somebody removes the causes (billing rules 5)."""

    default_code = "move_blocked"


class WrongMigrationState(PreconditionFailed):
    """The profile migration, or a customer in it, is not in a state in which this can be done."""

    default_code = "wrong_migration_state"


class TooManyMoves(SecondPersonNeeded):
    """One person moves more customers within a day than one person may: a migration does it, with its approval."""
