"""Subscriptions and invoices through the Python client."""

import datetime

import pytest
from corehttp.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from openmeter import models

from core import clock
from core.testclock.models import ClockSetting
from subscriptions.models import Plan
from tests.support.catalog import flat_plan, make_excess_plan
from tests.support.clock import at
from tests.support.customers import make_customer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("worker")]

PLAN = models.PlanReferenceInput(key="storage")


@pytest.fixture
def acme(server):
    """Acme and the plan of billing rules 4, on 17 March."""
    ClockSetting.objects.create(now=at("2026-03-17"))
    make_excess_plan()
    with clock.frozen_at(at("2026-03-17")):
        return make_customer()


def test_a_subscription_is_started_billed_and_read(client, acme):
    body = models.PlanSubscriptionCreate(plan=PLAN, customer_key="acme", timing="immediate", metadata={"deal": "4711"})
    created = client.subscriptions.create(body)
    assert (created.status, created.plan.key, created.currency) == ("active", "storage", "EUR")
    assert created.active_from == datetime.datetime(2026, 3, 17, tzinfo=datetime.UTC)
    expanded = client.subscriptions.get_expanded(created.id)
    [phase] = expanded.phases
    assert [item.key for item in phase.items_property] == ["base", "storage"]
    assert phase.items_property[1].price["quantityPerPackage"] == "25"
    assert expanded.alignment.current_aligned_billing_period.to == datetime.datetime(2026, 4, 17, tzinfo=datetime.UTC)

    page = client.invoices.list(statuses=["issued", "paid"], expand=["lines"])
    [invoice] = page.items_property
    assert (invoice.number, invoice.totals.total, invoice.status) == ("INV-000001", "50.00", "paid")
    assert [line.name for line in invoice.lines] == ["Base fee"]
    read = client.invoice.get_invoice(invoice.id, expand=["lines", "workflow.apps"])
    assert read.lines[0].totals.total == "50.00"
    assert read.lines[0].children[0].per_unit_amount == "50"


def test_a_dated_start_and_its_deletion(client, acme):
    start = datetime.datetime(2026, 4, 1, 0, 0, 0, 123456, tzinfo=datetime.UTC)
    created = client.subscriptions.create(models.PlanSubscriptionCreate(plan=PLAN, customer_key="acme", timing=start))
    assert (created.status, created.active_from) == ("scheduled", start)
    client.subscriptions.delete(created.id)
    with pytest.raises(ResourceNotFoundError):
        client.subscriptions.get_expanded(created.id)


def test_a_subscription_is_edited_changed_canceled_kept_and_migrated(client, acme):
    """On 1 April 16 of 31 days are left: 110.00 for 50.00 is 30.96, then 20.00 for 110.00 gives 46.45 back."""
    started = client.subscriptions.create(models.PlanSubscriptionCreate(plan=PLAN, customer_key="acme"))
    ClockSetting.objects.update(now=at("2026-04-01"))
    card = models.RateCardFlatFee(
        type="flat_fee",
        key="base",
        name="Base fee",
        billing_cadence="P1M",
        price=models.FlatPriceWithPaymentTerm(type="flat", amount="110.00", payment_term="in_advance"),
    )
    dearer = models.EditSubscriptionAddItem(op="add_item", phase_key="phase_1", rate_card=card)
    edited = client.subscriptions.edit(started.id, models.SubscriptionEdit(customizations=[dearer]))
    assert (edited.id, edited.status) == (started.id, "active")

    first = flat_plan("basic", "20.00")
    basic = models.PlanReferenceInput(key="basic")
    changed = client.subscriptions.change(started.id, models.PlanSubscriptionChange(timing="immediate", plan=basic))
    assert (changed.current.status, changed.next.plan.key) == ("inactive", "basic")
    assert [phase.key for phase in changed.next.phases] == ["phase_1"]
    totals = [invoice.totals.total for invoice in client.invoices.list(statuses=["paid"], order="ASC").items_property]
    assert sorted(totals) == ["0.00", "30.96", "50.00"]

    next_id = changed.next.id
    canceled = client.subscriptions.cancel(next_id, models.CancelRequest(timing="next_billing_cycle"))
    assert canceled.active_to == datetime.datetime(2026, 4, 17, tzinfo=datetime.UTC)
    assert client.subscriptions.unschedule_cancelation(next_id).active_to is None
    Plan.objects.filter(pk=first.pk).update(effective_to=at("2026-04-01"))
    flat_plan("basic", "25.00", version=2, effective_from=at("2026-04-01"))
    migrated = client.subscriptions.migrate(next_id, models.MigrateRequest(timing="next_billing_cycle"))
    assert (migrated.current.status, migrated.next.status, migrated.next.plan.version) == ("canceled", "scheduled", 2)
    with pytest.raises(ResourceExistsError, match="Unschedule it first"):
        client.subscriptions.cancel(next_id, models.CancelRequest(timing="immediate"))


def test_an_invoice_is_simulated(client, acme):
    period = models.Period(
        from_property=datetime.datetime(2026, 3, 17, tzinfo=datetime.UTC),
        to=datetime.datetime(2026, 4, 17, tzinfo=datetime.UTC),
    )
    line = models.InvoiceSimulationLine(
        name="Excess",
        period=period,
        invoice_at=period.to,
        quantity="201",
        rate_card=models.InvoiceUsageBasedRateCard(
            price=models.PackagePriceWithCommitments(type="package", amount="1.00", quantity_per_package="25")
        ),
    )
    customer = client.customers.get("acme")
    body = models.InvoiceSimulationInput(currency="EUR", lines=[line])
    assert client.customer_invoice.simulate_invoice(customer.id, body).totals.total == "9.00"


def test_refusals_come_as_the_clients_own_errors(client, acme):
    body = models.PlanSubscriptionCreate(plan=PLAN, customer_key="acme")
    client.subscriptions.create(body)
    with pytest.raises(ResourceExistsError, match="already has storage"):
        client.subscriptions.create(body)
    customer = client.customers.get("acme")
    with pytest.raises(HttpResponseError, match="has nothing to invoice"):
        client.invoices.invoice_pending_lines_action(models.InvoicePendingLinesActionInput(customer_id=customer.id))
    with pytest.raises(ResourceNotFoundError):
        client.invoice.get_invoice("01G65Z755AFWAKHE12NY0CQ9FH")
