"""What the tests of changes share: plans of one flat fee, customers with and without VAT, and how a moment is lived."""

from decimal import Decimal

from core import clock
from customers.models import BillingApp, Customer
from invoicing.models import BalanceEntry, CreditNote, Invoice, InvoiceLine, TaxRate
from invoicing.runs.run_due import run_due
from invoicing.subscription_changes.change_plan import change_plan
from subscriptions.lifecycle.record_subscription import record_subscription
from subscriptions.models import Subscription
from tests.books.command import run_check
from tests.make import at, flat_card, make_customer, make_default_profile, make_plan


def fee(amount, term="in_advance"):
    return {"type": "flat", "amount": amount, "paymentTerm": term}


def flat_plan(key, amount, *, cards=None, **overrides):
    """A plan of one flat fee, `base`."""
    cards = cards or (flat_card(name=f"{key.title()} fee", price=fee(amount)),)
    return make_plan(cards=cards, key=key, name=key.title(), **overrides)


def vat_customer(**overrides):
    """A customer in Germany, where 19 % VAT come on top."""
    TaxRate.objects.create(country="DE", rate=Decimal(19), name="VAT", valid_from=at("2020-01-01"))
    return make_customer(country="DE", **overrides)


def subscribe(plan, on="2026-04-01", *, customer=None, bill=True, **options):
    """The subscription of Acme, or of `customer`, billed for what is due at its start."""
    make_default_profile()
    customer = customer or Customer.objects.filter(key="acme").first() or make_customer()
    with clock.frozen_at(at(on)):
        subscription = record_subscription(customer=customer, plan=plan, active_from=at(on), **options)
        if bill:
            run_due(as_of=at(on))
    return subscription


def run(on):
    """All that is due on that day."""
    with clock.frozen_at(at(on)):
        run_due(as_of=at(on))


def pays_by_bank():
    """From here on customers pay by bank transfer: what is issued stays due."""
    app = BillingApp.objects.create(type="bank_transfer", name="Bank")
    make_default_profile(app=app, collection_method="send_invoice", tax_enabled=True)


def change(subscription, plan, on="2026-04-16", *, timing="immediate", **options):
    """The result of changing to `plan`, said on that day."""
    with clock.frozen_at(at(on)):
        return change_plan(
            subscription=Subscription.objects.get(pk=subscription.pk), timing=timing, plan=plan, **options
        )


def money(amount):
    """As people write it."""
    return f"{amount:.2f}"


def lines(invoice_id):
    """Name and net of each line of an invoice."""
    rows = InvoiceLine.objects.filter(invoice_id=invoice_id, deleted_at=None).order_by("position")
    return [(line.name, money(line.amount + line.charges_total - line.discounts_total)) for line in rows]


def invoices():
    """Number, total and what is due of all issued invoices, in order."""
    rows = Invoice.objects.filter(issued_at__isnull=False).order_by("issued_at", "sequence")
    return [(invoice.number, money(invoice.total), money(invoice.due)) for invoice in rows]


def notes():
    """Number, net, gross, what came off the due and what went to the balance, of all credit notes."""
    return [
        (note.number, money(note.amount), money(note.total), money(note.reduced_due), money(note.moved_to_balance))
        for note in CreditNote.objects.order_by("issued_at", "sequence")
    ]


def balance():
    return money(sum(BalanceEntry.objects.values_list("amount", flat=True), Decimal(0)))


def assert_books_are_clean(now):
    code, said = run_check(now=now)
    assert code == 0, said
