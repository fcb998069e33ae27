"""A company that moves its customers from one Stripe account to another, which belongs to another supplier."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import F

from core import clock
from core.ids import to_text
from core.testclock.models import ClockSetting
from customers.models import BillingApp, BillingProfile, Customer, CustomerAppData, Supplier, UsageSubject
from invoicing.models import Invoice, Payment
from invoicing.payments.connect_stripe import install_stripe
from invoicing.payments.reconcile_payments import reconcile_payments
from invoicing.profile_moves.make_default_profile import make_default_profile as switch_default
from invoicing.runs.run_due import run_due
from subscriptions.lifecycle.record_subscription import record_subscription
from subscriptions.models import Plan
from tests.support.books import run_check
from tests.support.catalog import flat_card, make_plan
from tests.support.clock import at
from tests.support.customers import make_default_profile
from tests.support.fake_stripe import FakeStripe

OLD_KEY, NEW_KEY = "sk_test_of_the_old_account", "sk_test_of_the_new_account"


def accounts() -> tuple[FakeStripe, FakeStripe]:
    return FakeStripe(account="acct_old", api_key=OLD_KEY), FakeStripe(account="acct_new", api_key=NEW_KEY)


@dataclass
class Company:
    """Its customers are `cus_0`, `cus_1`, ... at both accounts."""

    at_old: FakeStripe
    at_new: FakeStripe
    old: BillingProfile = field(init=False)
    new: BillingProfile = field(init=False)
    customers: list[Customer] = field(default_factory=list)

    def set_up(self, server: str) -> None:
        """Both apps, each with its webhook at our server; a profile on each; the old one is the default."""
        supplier = make_default_profile().supplier
        other = Supplier.objects.create(name="My other company", invoice_prefix="NEW", credit_note_prefix="NEWCN")
        self.old = self._profile("Old", self.at_old, server, supplier, "P3D")
        self.new = self._profile("New", self.at_new, server, other, "P20D")
        with clock.frozen_at(at("2026-02-01")):
            switch_default(profile=self.old, reason="To begin with")

    def _profile(
        self, name: str, account: FakeStripe, server: str, supplier: Supplier, due_after: str
    ) -> BillingProfile:
        account.webhook_secret = f"whsec_{name}"
        app: BillingApp = install_stripe(
            name=f"Stripe {name}", api_key=account.api_key, webhook_secret=account.webhook_secret
        )
        account.webhook = f"{server}/api/v1/apps/{to_text(app.pk)}/stripe/webhook"
        return BillingProfile.objects.create(name=name, supplier=supplier, app=app, due_after=due_after)

    def subscribe(self, plans: Iterable[Plan]) -> None:
        """A customer on each of these plans from 1 March 2026, with a good card at both accounts."""
        with clock.frozen_at(at("2026-03-01")):
            for index, plan in enumerate(plans):
                key = f"c{index}"
                customer = Customer.objects.create(
                    key=key, name=f"Customer {index:03}", currency="EUR", primary_email=f"{key}@example.com"
                )
                UsageSubject.objects.create(customer=customer, key=key)
                record_subscription(customer=customer, plan=plan, active_from=clock.now())
                self.customers.append(customer)
        for app, account in ((self.old.app, self.at_old), (self.new.app, self.at_new)):
            rows = []
            for index, customer in enumerate(self.customers):
                account.add_customer(f"cus_{index}", method=f"pm_{index}")
                rows.append(CustomerAppData(customer=customer, app=app, external_id=f"cus_{index}"))
            CustomerAppData.objects.bulk_create(rows)

    def charged(self, index: int) -> tuple[list[int], list[int]]:
        """What was really taken from the customer at the old and at the new account, in cents."""
        return self.at_old.charged(f"cus_{index}"), self.at_new.charged(f"cus_{index}")

    def invoices(self, *indexes: int) -> list[Invoice]:
        """The standard invoices of these customers, in order of customer and time."""
        theirs = Invoice.objects.exclude(status="gathering").select_related("profile", "app", "supplier")
        order = {self.customers[index].pk: index for index in indexes}
        found = theirs.filter(customer__in=order).order_by("created_at", "id")
        return sorted(found, key=lambda invoice: order[invoice.customer_id])


def plans() -> dict[str, Plan]:
    """By name: 29.90 a month in arrears, 14.00 each two weeks in arrears, 10.00 a month in advance."""
    prices = {"monthly": ("29.90", "in_arrears", "P1M"), "fortnightly": ("14.00", "in_arrears", "P2W")}
    prices["in_advance"] = ("10.00", "in_advance", "P1M")
    return {
        name: make_plan(
            key=name,
            cards=(
                flat_card(
                    billing_cadence=cadence, price={"type": "flat", "amount": amount, "paymentTerm": payment_term}
                ),
            ),
        )
        for name, (amount, payment_term, cadence) in prices.items()
    }


@contextmanager
def on(day: str) -> Iterator[None]:
    """It is this day, here and for the server."""
    ClockSetting.objects.update_or_create(pk=1, defaults={"now": at(day)})
    with clock.frozen_at(at(day)):
        yield


def work(day: str) -> None:
    """Everything that is due by this day."""
    with on(day):
        run_due(as_of=at(day))


def ask_stripe(day: str, *, later: timedelta = timedelta()) -> None:
    """Ask about open charges, as if `later` had passed since they were sent."""
    Payment.objects.exclude(next_check_at=None).update(next_check_at=clock.real_now(), sent_at=F("sent_at") - later)
    with on(day):
        reconcile_payments(as_of=at(day))


def books_are_right(day: str, *only: str) -> None:
    code, said = run_check(*(("--only", *only) if only else ()), now=f"{day}T00:05")
    assert code == 0, said
