"""Every setting of the workflow: set for one customer over REST, effective with its origin, frozen into an invoice."""

import pytest

from core import clock
from core.ids import to_text
from customers.models import CustomerOverride
from customers.services.workflow_input import WIRE_FIELDS
from invoicing.models import Invoice
from tests.support.api import data
from tests.support.catalog import make_excess_plan
from tests.support.clock import at
from tests.support.closing import START, make_subscriber, run_close
from tests.support.customers import enterprise, make_default_profile

pytestmark = pytest.mark.django_db

RHYTHM = {"type": "anchored", "recurringPeriod": {"interval": "P2W", "anchor": "2026-01-01T00:00:00Z"}}
# What is sent, and the effective settings that come of it, by their names on the wire.
SETTINGS = [
    (
        {"collection": {"alignment": RHYTHM}},
        {"collection.alignment.type", "collection.alignment.recurringPeriod.interval"}
        | {"collection.alignment.recurringPeriod.anchor"},
    ),
    ({"collection": {"interval": "PT2H"}}, {"collection.interval"}),
    ({"invoicing": {"autoAdvance": False}}, {"invoicing.autoAdvance"}),
    ({"invoicing": {"draftPeriod": "P3D"}}, {"invoicing.draftPeriod"}),
    ({"invoicing": {"dueAfter": "P60D"}}, {"invoicing.dueAfter"}),
    ({"invoicing": {"lateUsage": "ask"}}, {"invoicing.lateUsage"}),
    ({"invoicing": {"progressiveBilling": True}}, {"invoicing.progressiveBilling"}),
    (
        {"invoicing": {"progressiveBillingThreshold": {"amount": "250", "currency": "EUR"}}},
        {"invoicing.progressiveBillingThreshold.amount", "invoicing.progressiveBillingThreshold.currency"},
    ),
    ({"invoicing": {"defaultTaxConfig": {"behavior": "inclusive"}}}, {"invoicing.defaultTaxConfig.behavior"}),
    ({"invoicing": {"defaultTaxConfig": {"stripe": {"code": "txcd_1"}}}}, {"invoicing.defaultTaxConfig.stripe.code"}),
    ({"payment": {"collectionMethod": "send_invoice"}}, {"payment.collectionMethod"}),
    ({"payment": {"dunningDays": [2, 4]}}, {"payment.dunningDays"}),
    ({"payment": {"dunningDays": []}}, {"payment.dunningDays"}),
    ({"payment": {"uncollectibleAfterDunning": True}}, {"payment.uncollectibleAfterDunning"}),
    ({"tax": {"enabled": False}}, {"tax.enabled"}),
    ({"tax": {"enforced": True}}, {"tax.enforced"}),
]


def holds(whole, part):
    """Whether everything in `part` stands in `whole`."""
    if not isinstance(part, dict):
        return whole == part
    return all(name in whole and holds(whole[name], value) for name, value in part.items())


@pytest.fixture
def customer(db):
    make_default_profile()
    customer = make_subscriber(make_excess_plan())
    CustomerOverride.objects.create(customer=customer, billing_profile=enterprise())
    return customer


def url(customer):
    return f"/billing/customers/{to_text(customer.pk)}"


@pytest.mark.parametrize(("sent", "fields"), SETTINGS)
def test_one_is_set_for_a_customer_and_the_others_stay_the_profile_s(api, customer, sent, fields):
    with clock.frozen_at(START):
        before = data(api.get(url(customer)))["customerProfile"]
        profile = {"billingProfileId": to_text(customer.billing_override.billing_profile_id)}
        data(api.put(url(customer), {**profile, "workflow": sent}))
        shown = data(api.get(url(customer)))
    assert shown["customerOverride"]["workflow"] == sent
    assert holds(shown["customerProfile"]["workflow"], sent)
    origins = shown["customerProfile"]["origins"]
    assert {name for name, origin in origins.items() if origin == "override"} == fields
    assert {origins[name] for name in origins if name not in fields} == {"pin: Enterprise"}
    assert not holds(before["workflow"], sent)


@pytest.mark.parametrize(("sent", "fields"), [one for one in SETTINGS if one[0] != {"tax": {"enforced": True}}])
def test_it_is_frozen_into_the_next_draft_and_no_later_change_reaches_it(api, customer, sent, fields):
    with clock.frozen_at(START):
        data(
            api.put(
                url(customer), {"workflow": sent | {"invoicing": {"autoAdvance": False, **sent.get("invoicing", {})}}}
            )
        )
    run_close()
    if "alignment" in sent.get("collection", {}):
        # Nothing is collected before the rhythm says so.
        assert not Invoice.objects.exclude(status="gathering").exists()
        run_close(as_of=at("2026-03-26"))
    draft = Invoice.objects.exclude(status="gathering").get()
    with clock.frozen_at(START):
        data(api.put(url(customer), {"workflow": {}}))
        data(api.delete(url(customer)), 204)
        shown = data(api.get(f"/billing/invoices/{to_text(draft.pk)}"))
    assert draft.status.startswith("draft.")
    assert holds(shown["workflow"]["workflow"], sent)
    origins = draft.workflow_snapshot["origins"]
    frozen = {WIRE_FIELDS[name].removeprefix("workflow.") for name, origin in origins.items() if origin == "override"}
    assert frozen == fields | {"invoicing.autoAdvance"}
