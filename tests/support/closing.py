"""Customers with invoices, as the close makes them; and all that is due on a day."""

from typing import Any

from core import clock
from core.audit.actors import SYSTEM, Actor, acting_as
from customers.models import Customer
from invoicing.choices import RunTrigger
from invoicing.closing.close_customers import close_customers
from invoicing.models import BillingRun, Invoice
from invoicing.runs.run_due import run_due
from invoicing.runs.start_run import start_run
from invoicing.runs.work_shard import work_shard
from subscriptions.lifecycle.record_subscription import record_subscription
from subscriptions.models import Plan
from tests.support.catalog import make_excess_plan
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile

START = at("2026-03-17")


def run_close(*, as_of: Any = START, by: Actor = SYSTEM) -> BillingRun | None:
    """A run up to `as_of`, started by the schedule or by a person, worked off."""
    trigger = RunTrigger.SCHEDULE if by == SYSTEM else RunTrigger.STAFF
    with clock.frozen_at(as_of):
        with acting_as(by):
            run = start_run(as_of=as_of, trigger=trigger, started_by="" if by == SYSTEM else by.label)
        if run is not None:
            for shard in run.shards.all():
                work_shard(shard.pk)
            run.refresh_from_db()
    return run


def make_subscriber(plan: Plan, **customer: Any) -> Customer:
    """A customer on `plan` since 17 March 2026."""
    made = make_customer(**customer)
    with clock.frozen_at(START):
        record_subscription(customer=made, plan=plan, active_from=START)
    return made


def make_issued(*, decline: bool = False, **profile: Any) -> Invoice:
    """INV-000001 over 50.00 EUR of Acme, issued on 17 March 2026; paid at once, unless the sandbox declines."""
    default = make_default_profile(**profile)
    customer = make_subscriber(make_excess_plan())
    if decline:
        customer.app_data.create(app=default.app, data={"outcome": "decline"})
    run_close()
    return Invoice.objects.get(issued_at__isnull=False)


def make_draft(*, by: Actor = SYSTEM, **profile: Any) -> Invoice:
    """A draft over 50.00 EUR of Acme that waits for approval."""
    make_default_profile(**({"auto_advance": False} | profile))
    make_subscriber(make_excess_plan())
    run_close(by=by)
    return Invoice.objects.get(status__startswith="draft.")


def make_many(count: int, plan: Plan | None = None, first: int = 0) -> list[Invoice]:
    """`count` customers, each with an issued invoice and a gathering one."""
    make_default_profile()
    plan = plan or make_excess_plan()
    for number in range(first, first + count):
        make_subscriber(plan, key=f"customer-{number:03}", name=f"Customer {number:03}")
    run_close()
    return list(Invoice.objects.filter(issued_at__isnull=False))


def run(on):
    """All that is due on that day."""
    with clock.frozen_at(at(on)):
        run_due(as_of=at(on))


def close(customer, on):
    """What a close of this customer alone makes of them on that day."""
    with clock.frozen_at(at(on)):
        return close_customers([customer.pk], as_of=at(on))
