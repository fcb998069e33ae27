"""What the finance staff of a company do: drafts, charges, payments, corrections, late usage, moves and releases.

Each act says what it did, or None where there was nothing to act on; BillingError where it is refused.
"""

from decimal import ROUND_DOWN, Decimal
from typing import Any

from django.db.models import Q

from core.money import quantum
from customers.choices import CollectionMethod
from customers.models import BillingApp, Customer, CustomerAppData
from entitlements.notices.tell_due import tell_due
from invoicing.choices import DRAFT_STATUSES, OPEN_STATUSES, SETTLEABLE_STATUSES, InvoiceStatus, LateUsageState
from invoicing.drafts.advance_invoice import advance_invoice, set_aside
from invoicing.drafts.approve_invoice import approve_invoice
from invoicing.drafts.delete_draft import delete_draft
from invoicing.drafts.edit_draft import DraftChanges, can_be_set, edit_draft, is_by_hand
from invoicing.drafts.retry_invoice import retry_invoice
from invoicing.drafts.snapshot_quantities import snapshot_quantities
from invoicing.gathering.add_charges import Charge, add_charges
from invoicing.gathering.invoice_pending_lines import invoice_pending_lines
from invoicing.issued.credit_invoice import LineCredit, credit_invoice
from invoicing.issued.reissue_invoice import reissue_invoice
from invoicing.issued.void_invoice import void_invoice
from invoicing.late_usage.decide import bill_late_usage, waive_late_usage
from invoicing.lifecycle.draft_steps import TO_APPROVE, TO_COLLECT, TO_RETRY, drafts_due
from invoicing.models import Invoice, InvoiceLine, LateUsageCase, ParkedCustomer
from invoicing.parking.release_customer import release_customer
from invoicing.payments.collect_invoice import collect_invoice
from invoicing.payments.record_payment import record_payment
from invoicing.payments.write_off import mark_uncollectible, write_off
from invoicing.profile_moves.pin_customer import pin_customer, unpin_customer
from invoicing.progressive.watch_spending import watch_spending
from invoicing.rating.by_hand import SetByHand
from tests.scenarios.company_customers import use
from tests.scenarios.company_life import DAY, CompanyWorld

# What a payment, a void or a credit is about lies no longer back than this.
_RECENT = 100 * DAY
_WHY = "It was agreed"
_ANY = Q()


def _invoices(world: CompanyWorld, customer: Customer, *statuses: str, having: Q = _ANY) -> Any:
    """The customer's, or else anybody's."""
    rows = Invoice.objects.filter(having, status__in=statuses, created_at__gt=world.now - _RECENT)
    in_order = rows.order_by("customer__key", "created_at", "sequence", "total")
    mine = in_order.filter(customer=customer)
    return mine if mine.exists() else in_order


def _draft(world: CompanyWorld, customer: Customer, *statuses: str) -> Invoice | None:
    found: Invoice | None = world.one(_invoices(world, customer, *(statuses or DRAFT_STATUSES)))
    return found


# -- what runs in mid-period


def split(world: CompanyWorld, customer: Customer) -> Any:
    as_of = world.now - world.random.choice([0, 0, 0, 3600, 3 * 86_400]) * DAY / 86_400
    made = invoice_pending_lines(customer=customer, as_of=as_of, progressive=True)
    return f"at {as_of}: {[str(invoice.total) for invoice in made]}"


def bill_pending(world: CompanyWorld, customer: Customer) -> Any:
    made = invoice_pending_lines(customer=customer, progressive=False)
    return [str(invoice.total) for invoice in made]


def watch(world: CompanyWorld, customer: Customer) -> Any:
    """A customer uses much, and whoever has reached their threshold is billed for what they used."""
    thresholds = [profile for profile in world.profiles if profile.progressive_threshold is not None]
    pinned = Customer.objects.filter(billing_override__billing_profile__in=thresholds, subscriptions__isnull=False)
    spender = world.one(pinned.distinct().order_by("key"))
    if spender is None:
        return None
    use(world, spender)
    tell_due()
    return watch_spending() or None


# -- drafts


def charge(world: CompanyWorld, customer: Customer) -> Any:
    assert customer.currency is not None
    asked = _charge(world, customer, in_days=world.random.choice([0, 0, 5]))
    add_charges(customer=customer, currency=customer.currency, charges=[asked])
    return asked.price


def _charge(world: CompanyWorld, customer: Customer, *, in_days: int = 0) -> Charge:
    at = world.now + in_days * DAY
    amount = world.price(customer, world.random.choice(["30.00", "0.07", "12.34"]))
    discounts = world.random.choice([None, {"percentage": {"percentage": 10}}])
    price = {"type": "flat", "amount": str(amount)}
    return Charge(
        name="Training",
        start=at,
        end=at,
        invoice_at=at,
        price=price,
        quantity=Decimal(world.random.choice([1, 3])),
        discounts=discounts,
    )


def add_to_draft(world: CompanyWorld, customer: Customer) -> Any:
    draft = _draft(world, customer)
    if draft is None:
        return None
    asked = _charge(world, draft.customer)
    edit_draft(invoice=draft, changes=DraftChanges(added=[asked]), reason=_WHY)
    return asked.price


def set_by_hand(world: CompanyWorld, customer: Customer) -> Any:
    """A quantity or a discount of a line, or all of that taken back again."""
    draft = _draft(world, customer)
    if draft is None:
        return None
    lines = InvoiceLine.objects.counted().filter(invoice=draft).order_by("position", "name")
    line = world.one(each for each in lines if can_be_set(each) and not is_by_hand(each))
    if line is None:
        return None
    chosen = world.random.choice(
        [
            SetByHand(quantity=Decimal(world.random.choice([0, 1, 7, 50]))),
            SetByHand(discounts={"percentage": {"percentage": world.random.choice([10, 40])}}),
            SetByHand(),
        ]
    )
    edit_draft(invoice=draft, changes=DraftChanges(lines={line.pk: chosen}), reason=_WHY)
    return f"{line.name}: {chosen}"


def snapshot(world: CompanyWorld, customer: Customer) -> Any:
    draft = _draft(world, customer, *TO_COLLECT)
    return None if draft is None else snapshot_quantities(invoice=draft).status


def advance(world: CompanyWorld, customer: Customer) -> Any:
    draft = world.one(drafts_due(world.now).order_by("customer__key", "created_at", "total"))
    return None if draft is None else advance_invoice(invoice=draft).status


def approve(world: CompanyWorld, customer: Customer) -> Any:
    draft = _draft(world, customer, *TO_APPROVE)
    return None if draft is None else approve_invoice(invoice=draft).number


def fail(world: CompanyWorld, customer: Customer) -> Any:
    """As where the database went away in the middle of a draft's step."""
    draft = _draft(world, customer)
    if draft is None:
        return None
    set_aside(draft.pk, OSError("The disk is full."))
    return draft.customer.key


def retry(world: CompanyWorld, customer: Customer) -> Any:
    draft = _draft(world, customer, *TO_RETRY)
    return None if draft is None else retry_invoice(invoice=draft, reason=_WHY).status


def delete(world: CompanyWorld, customer: Customer) -> Any:
    draft, rebill = _draft(world, customer), world.random.random() < 0.7
    if draft is None:
        return None
    delete_draft(invoice=draft, rebill=rebill, reason=_WHY)
    return f"{draft.customer.key} rebill={rebill}"


# -- payments


def card(world: CompanyWorld, customer: Customer) -> Any:
    """From now on their card is declined, asks for them, or succeeds."""
    outcome = world.random.choice(["decline", "action_required", "succeed"])
    _give_card(customer, world.profiles[0].app, outcome)
    return outcome


def _give_card(customer: Customer, app: BillingApp, outcome: str) -> None:
    CustomerAppData.objects.update_or_create(customer=customer, app=app, defaults={"data": {"outcome": outcome}})


def collect(world: CompanyWorld, customer: Customer) -> Any:
    """Try what failed again, whatever the card says by now."""
    invoice = _to_charge(world, customer)
    return None if invoice is None else collect_invoice(invoice=invoice).status


def collect_from_new_card(world: CompanyWorld, customer: Customer) -> Any:
    """Who was declined gives another card, and it is tried at once."""
    invoice = _to_charge(world, customer)
    if invoice is None:
        return None
    assert invoice.app is not None
    _give_card(invoice.customer, invoice.app, "succeed")
    assert collect_invoice(invoice=invoice).status == InvoiceStatus.PAID
    return invoice.number


def _to_charge(world: CompanyWorld, customer: Customer) -> Invoice | None:
    by_card = Q(collection_method=CollectionMethod.CHARGE_AUTOMATICALLY, due__gt=0)
    found: Invoice | None = world.one(_invoices(world, customer, *OPEN_STATUSES, having=by_card))
    return found


def bank(world: CompanyWorld, customer: Customer) -> Any:
    """All that is due comes in, a part of it, or too much."""
    invoice = world.one(_invoices(world, customer, *SETTLEABLE_STATUSES))
    if invoice is None or not invoice.due:
        return None
    world.references += 1
    step = quantum(invoice.currency)
    part = world.random.choice([Decimal(1), Decimal(1), Decimal("0.4"), Decimal("1.1")])
    amount = max((invoice.due * part).quantize(step, rounding=ROUND_DOWN), step)
    reference = f"bank {world.references}"
    record_payment(invoice=invoice, amount=amount, received_at=world.now, reference=reference, transaction_id=reference)
    return f"{invoice.number}: {amount} of {invoice.due}"


def give_up(world: CompanyWorld, customer: Customer) -> Any:
    invoice = world.one(_invoices(world, customer, *SETTLEABLE_STATUSES))
    if invoice is None:
        return None
    world.random.choice([mark_uncollectible, write_off])(invoice=invoice, reason=_WHY)
    return invoice.number


# -- corrections


def void(world: CompanyWorld, customer: Customer) -> Any:
    invoice, rebill = world.one(_invoices(world, customer, *SETTLEABLE_STATUSES)), world.random.random() < 0.6
    if invoice is None:
        return None
    void_invoice(invoice=invoice, rebill=rebill, reason=_WHY)
    return f"{invoice.number} rebill={rebill}"


def reissue(world: CompanyWorld, customer: Customer) -> Any:
    invoice = world.one(_invoices(world, customer, *SETTLEABLE_STATUSES))
    if invoice is None:
        return None
    return f"{invoice.number}: {reissue_invoice(invoice=invoice, reason=_WHY).replacement.number}"


def credit(world: CompanyWorld, customer: Customer) -> Any:
    """All that is left of an invoice, or a part of a line; to the balance, or back to where the money came from."""
    invoice = world.one(_invoices(world, customer, *SETTLEABLE_STATUSES, InvoiceStatus.PAID))
    if invoice is None:
        return None
    refund = world.random.random() < 0.4
    line = world.one(InvoiceLine.objects.counted().filter(invoice=invoice, amount__gt=0).order_by("position", "name"))
    lines = None
    if line is not None and world.random.random() < 0.7:
        net = line.amount + line.charges_total - line.discounts_total
        step = quantum(invoice.currency)
        part = world.random.choice([Decimal(1), Decimal("0.3")])
        lines = [LineCredit(line.pk, max((net * part).quantize(step, rounding=ROUND_DOWN), step))]
    made = credit_invoice(invoice=invoice, lines=lines, refund=refund, reason=_WHY)
    return f"{invoice.number}: {made.note.number} over {made.note.total}, refund={refund}"


# -- late usage, moves, parking


def bill_late(world: CompanyWorld, customer: Customer) -> Any:
    case = _late(world, customer)
    return None if case is None else bill_late_usage(case=case, reason=_WHY).state


def waive_late(world: CompanyWorld, customer: Customer) -> Any:
    case = _late(world, customer)
    return None if case is None else waive_late_usage(case=case, reason=_WHY).state


def _late(world: CompanyWorld, customer: Customer) -> LateUsageCase | None:
    rows = LateUsageCase.objects.filter(state=LateUsageState.OPEN).order_by("customer__key", "period_start", "quantity")
    found: LateUsageCase | None = world.one(rows.filter(customer=customer)) or world.one(rows)
    return found


def move(world: CompanyWorld, customer: Customer) -> Any:
    profile = world.random.choice(world.profiles)
    if profile.is_default:
        unpin_customer(customer=customer, reason=_WHY)
    else:
        pin_customer(customer=customer, profile=profile, reason=_WHY)
    return profile.name


def park(world: CompanyWorld, customer: Customer) -> Any:
    if ParkedCustomer.objects.still_parked().filter(customer=customer).exists():
        return None
    ParkedCustomer.objects.create(customer=customer, parked_at=world.now, cause_code="x", cause="Some cause.")
    return customer.key


def release(world: CompanyWorld, customer: Customer) -> Any:
    parked = world.one(ParkedCustomer.objects.still_parked().order_by("customer__key"))
    return None if parked is None else release_customer(parked=parked, reason=_WHY).customer.key
