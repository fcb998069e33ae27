"""Everything that may happen to one customer, all at one moment: nobody locks anybody out, and the books stay right."""

import time
from decimal import Decimal

import pytest

from core import clock
from core.errors import BillingError
from customers.models import BillingApp, BillingProfile, Customer, CustomerAppData, Supplier
from invoicing.choices import OPEN_STATUSES
from invoicing.customer_guards.override_fields import override_fields
from invoicing.models import Invoice, Payment
from invoicing.payments.collect_invoice import collect_invoice
from invoicing.payments.connect_stripe import install_stripe
from invoicing.payments.reconcile_payments import reconcile_payments
from invoicing.payments.record_payment import record_payment
from invoicing.payments.write_off import write_off
from invoicing.profile_moves.make_default_profile import make_default_profile as switch_default
from invoicing.profile_moves.pin_customer import pin_customer, unpin_customer
from invoicing.runs.run_due import run_due
from invoicing.subscription_changes.change_plan import change_plan
from subscriptions.models import Plan, Subscription
from tests.support.books import run_check
from tests.support.catalog import flat_plan
from tests.support.charges import KEY
from tests.support.clock import at
from tests.support.crowd import at_once
from tests.support.customers import make_customer, make_default_profile
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db(transaction=True)

BOUND_SECONDS = 60
DAYS = ("2026-04-10", "2026-04-20", "2026-05-01", "2026-05-13", "2026-06-01", "2026-06-08")


@pytest.fixture
def acme(fake):
    """Charged at Stripe, where answers get lost, until a pin or a switch of the default says otherwise."""
    make_default_profile(app=install_stripe(name="Stripe", api_key=KEY), tax_enabled=True)
    bank = BillingApp.objects.create(type="bank_transfer", name="Bank")
    BillingProfile.objects.create(
        name="Enterprise", supplier=Supplier.objects.get(), app=bank, collection_method="send_invoice", due_after="P30D"
    )
    flat_plan("small", "30.00")
    flat_plan("large", "90.00")
    customer = make_customer()
    fake.add_customer("cus_1", behaviour="drop")
    CustomerAppData.objects.create(customer=customer, app=BillingApp.objects.get(type="stripe"), external_id="cus_1")
    subscribe(Plan.objects.get(key="small"), "2026-04-01", customer=customer)
    return customer


def swap_plan():
    current = Subscription.objects.filter(active_to=None).latest("active_from")
    other = Plan.objects.get(key="large" if current.plan.key == "small" else "small")
    change_plan(subscription=current, timing="immediate", plan=other)


def open_invoice():
    return Invoice.objects.filter(status__in=OPEN_STATUSES, due__gt=0).earliest("issued_at")


def pay_a_part():
    record_payment(invoice=open_invoice(), amount=Decimal("7.00"), received_at=clock.now(), reference="by bank")


def charge_again():
    collect_invoice(invoice=open_invoice())


def give_up():
    write_off(invoice=open_invoice(), reason="Small")


def ask_stripe():
    Payment.objects.exclude(next_check_at=None).update(next_check_at=clock.real_now())
    reconcile_payments(as_of=clock.now())


def pin():
    customer, profile = Customer.objects.get(), BillingProfile.objects.get(name="Enterprise")
    pin_customer(customer=customer, profile=profile, reason="Storm")
    unpin_customer(customer=customer, reason="Storm")


def switch():
    other = BillingProfile.objects.filter(is_default=False).order_by("name")[0]
    switch_default(profile=other, reason="Storm")


def set_own_terms():
    override_fields(customer=Customer.objects.get(), workflow={"due_after": f"P{clock.now().day}D"}, reason="Storm")


def close():
    run_due(as_of=clock.now())


def allowed(act):
    """What the rules refuse in a storm is refused; whatever else goes wrong is an error, a deadlock above all."""

    def run():
        try:
            act()
        except (BillingError, Invoice.DoesNotExist) as refused:
            return type(refused).__name__
        return "done"

    return run


def test_everything_at_one_moment(acme, fake):
    acts = (
        close,
        swap_plan,
        pin,
        pay_a_part,
        charge_again,
        ask_stripe,
        switch,
        set_own_terms,
        close,
        give_up,
    )
    for day in DAYS:
        began = time.monotonic()
        outcomes = at_once(*map(allowed, acts), now=at(day))
        assert time.monotonic() - began < BOUND_SECONDS
        assert outcomes[0] == outcomes[8] == outcomes[5] == outcomes[7] == "done"
        with clock.frozen_at(at(day)):
            ask_stripe()
            run_due(as_of=at(day))
            ask_stripe()
        code, said = run_check(now=f"{day}T00:05")
        assert code == 0, said
    charged = sum(fake.charged("cus_1"))
    booked = sum(payment.amount for payment in Payment.objects.filter(status="succeeded", attempt__isnull=False))
    assert charged == booked * 100
    assert BillingProfile.objects.filter(is_default=True).count() == 1
