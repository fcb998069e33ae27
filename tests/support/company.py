"""A company with every kind of price, terms and customer that there is so far, and months in which things happen."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from core import clock
from customers.models import BillingApp, BillingProfile, Customer, CustomerOverride, Supplier
from invoicing.gathering.sync import sync_customers
from invoicing.runs.run_due import run_due
from subscriptions.lifecycle.record_quantity import record_quantity
from subscriptions.lifecycle.record_report import record_report
from subscriptions.lifecycle.record_subscription import record_subscription
from subscriptions.models import Plan, Subscription
from tests.support.catalog import flat_card, make_excess_plan, make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile
from tests.support.usage import use

Act = tuple[datetime, Callable[[], object]]


def flat(amount: str, term: str = "in_advance") -> dict[str, Any]:
    return {"type": "flat", "amount": amount, "paymentTerm": term}


class Company:
    """Customers on plans; `acts` is what happens to them when. Nothing has happened until `live` is called."""

    def __init__(self) -> None:
        self.acts: list[Act] = []
        self.default = make_default_profile()
        self.enterprise = self._enterprise()
        meter = make_meter()
        calls = make_feature(key="calls", name="Calls", meter=meter)
        # Odd prices, so that every proration has something to round.
        self.team = make_plan(
            key="team",
            name="Team",
            cards=(
                flat_card(key="seats", name="Seats", price=flat("9.99")),
                flat_card(key="support", name="Support", price=flat("4.99", "in_arrears")),
                usage_card(
                    key="calls",
                    name="Calls",
                    feature=calls,
                    price={"type": "unit", "amount": "0.033"},
                    discounts={"usage": {"quantity": "20"}, "percentage": {"percentage": 10}},
                ),
            ),
        )
        self.excess = make_excess_plan()
        self.japan = make_plan(
            key="japan",
            name="Japan",
            currency="JPY",
            cards=(
                flat_card(key="seats", name="Seats", price=flat("1999")),
                usage_card(
                    key="calls",
                    name="Calls",
                    feature=calls,
                    price={
                        "type": "tiered",
                        "mode": "graduated",
                        "tiers": [
                            {"upToAmount": "100", "flatPrice": {"type": "flat", "amount": "500"}},
                            {"unitPrice": {"type": "unit", "amount": "1.5"}},
                        ],
                    },
                ),
            ),
        )
        self.ramp = make_plan(
            {
                "key": "trial",
                "duration": "P1M",
                "cards": (
                    flat_card(key="setup", name="Set-up", billing_cadence=None, price=flat("99")),
                    flat_card(key="seats", name="Seats", price=flat("1.00")),
                ),
            },
            {"key": "paid", "cards": (flat_card(key="seats", name="Seats", price=flat("29.90")),)},
            key="ramp",
            name="Ramp",
        )
        self.yearly = make_plan(
            key="yearly",
            name="Yearly",
            billing_cadence="P1Y",
            cards=(flat_card(key="seats", name="Seats", billing_cadence="P1Y", price=flat("365.00")),),
        )

    def _enterprise(self) -> BillingProfile:
        """Another supplier, bank transfer, a day to review, usage collected an hour after the period."""
        supplier = Supplier.objects.create(name="My company GmbH", invoice_prefix="DE", credit_note_prefix="DECN")
        return BillingProfile.objects.create(
            name="Enterprise",
            supplier=supplier,
            app=BillingApp.objects.create(type="bank_transfer", name="Bank"),
            collection_method="send_invoice",
            due_after="P30D",
            draft_period="P1D",
            collection_interval="PT1H",
        )

    def join(self, key: str, plan: Plan, on: str, *, pinned: bool = False, **options: Any) -> Customer:
        """A customer who subscribes to `plan` on that day; `seats`, `zone` and `anchor` are options."""
        seats, anchor = options.pop("seats", None), options.pop("anchor", None)
        customer = make_customer(
            key=key, name=key.title(), currency=plan.currency, time_zone=options.pop("zone", "UTC"), **options
        )
        if pinned:
            CustomerOverride.objects.create(customer=customer, billing_profile=self.enterprise)

        def subscribe() -> None:
            record_subscription(
                customer=customer,
                plan=plan,
                active_from=at(on),
                billing_anchor=at(anchor) if anchor else None,
                quantities={"seats": Decimal(seats)} if seats else None,
            )
            sync_customers([customer.id], as_of=at(on))

        self.acts.append((at(on), subscribe))
        return customer

    def use(self, key: str, when: str, amount: str) -> None:
        """One event of `amount` by the subject `key`."""
        self.acts.append((at(when), lambda: use(when, amount, key)))

    def seats(self, key: str, when: str, quantity: str, *, effective: str | None = None) -> None:
        """A change of the first item's quantity, from `effective` (by default `when`) on."""

        def change() -> None:
            subscription = Subscription.objects.get(customer__key=key)
            record_quantity(
                item=subscription.items.get(key="seats"), quantity=Decimal(quantity), effective_at=at(effective or when)
            )
            sync_customers([subscription.customer_id], as_of=at(when))

        self.acts.append((at(when), change))

    def report(self, key: str, when: str, quantity: str) -> None:
        """A report for the current period of the excess item."""

        def tell() -> None:
            subscription = Subscription.objects.get(customer__key=key)
            record_report(item=subscription.items.get(key="storage"), quantity=Decimal(quantity))

        self.acts.append((at(when), tell))

    def live(self, closes: Iterable[datetime]) -> None:
        """Let everything happen, and run all that is due at each of `closes`, in order of time."""
        acts = [*self.acts, *((moment, lambda moment=moment: run_due(as_of=moment)) for moment in closes)]
        for moment, act in sorted(acts, key=lambda pair: pair[0]):
            with clock.frozen_at(moment):
                act()
        self.acts.clear()


def every_day(first: str, last: str) -> list[datetime]:
    """Each day from `first` to `last`, both counted in."""
    days = (at(last) - at(first)).days
    return [at(first) + timedelta(days=day) for day in range(days + 1)]


def mixed_company() -> Company:
    """Nine customers, January to May 2026: all cadences of terms, changes in mid-period, usage, reports, zones."""
    with clock.frozen_at(at("2025-12-01")):
        company = Company()
    company.join("acme", company.team, "2026-01-01", seats=5)
    company.join("berlin", company.team, "2026-01-31", zone="Europe/Berlin", seats=3)
    company.join("newyork", company.team, "2026-02-10T17:30", zone="America/New_York", anchor="2026-02-01T05:00")
    company.join("globex", company.excess, "2026-01-17")
    company.join("tokyo", company.japan, "2026-01-12", zone="Asia/Tokyo")
    company.join("ramp", company.ramp, "2026-01-20")
    company.join("yearly", company.yearly, "2026-01-05", seats=2)
    company.join("bank", company.team, "2026-01-15", pinned=True, seats=10)
    company.join("bankexcess", company.excess, "2026-02-01", pinned=True)
    for key in ("acme", "berlin", "newyork", "tokyo", "bank"):
        for day in ("2026-02-11", "2026-02-28T23:59:59.999999", "2026-03-01", "2026-03-17T12:00", "2026-04-30T22:00"):
            company.use(key, day, "37.5")
    company.report("globex", "2026-02-16", "200")
    company.report("globex", "2026-03-20", "26")
    company.report("bankexcess", "2026-02-27", "51")
    company.seats("acme", "2026-02-16", "8")
    company.seats("acme", "2026-02-20", "9")
    company.seats("berlin", "2026-03-10", "7", effective="2026-02-28T00:00")
    company.seats("tokyo", "2026-03-03", "4")
    company.seats("yearly", "2026-04-01", "5")
    company.seats("bank", "2026-03-01", "12", effective="2026-02-20")
    return company
