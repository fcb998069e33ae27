"""A company whose settled windows are of every kind: charged, added to, given back of, waived, unreported, cut. For
tests that migrate its database; run in a process of its own, on a database of its own."""

import sys
from decimal import Decimal
from io import StringIO

from django.core.management import call_command

from core import clock
from invoicing.drafts.approve_invoice import approve_invoice
from invoicing.drafts.delete_draft import delete_draft
from invoicing.models import Invoice
from invoicing.runs.run_due import run_due
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.change_plan import change_plan
from invoicing.subscription_changes.update_item import update_item
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.lifecycle.mark_for_billing import mark_for_billing
from subscriptions.lifecycle.record_quantity import record_quantity
from subscriptions.lifecycle.record_subscription import record_subscription
from subscriptions.models import Subscription
from tests.support.catalog import fee, flat_card, flat_plan, make_feature, make_meter, usage_card
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile
from tests.support.usage import use

LAST = "2026-05-01T00:30"


def build() -> None:
    """Customers of April 2026. Nothing is made at any other time than theirs."""
    with clock.frozen_at(at("2026-04-01")):
        make_default_profile()
        seats = flat_plan("seats", None, cards=(flat_card(key="seats", name="Seats", price=fee("10.00")),))
        bigger = flat_plan("bigger", None, cards=(flat_card(key="seats", name="Seats", price=fee("30.00")),))
        reported = flat_plan("reported", None, cards=(usage_card(feature=make_feature()),))
        calls = make_feature(key="calls", name="Calls", meter=make_meter())
        metered = flat_plan(
            "metered",
            None,
            cards=(usage_card(key="calls", name="Calls", feature=calls, price={"type": "unit", "amount": "1.00"}),),
        )
        plans = {"added": seats, "ended": seats, "moved": seats, "waits": seats, "silent": reported, "calls": metered}
        made = {
            key: record_subscription(
                customer=make_customer(key=key, name=key.title()),
                plan=plan,
                active_from=at("2026-04-01"),
                quantities={"seats": Decimal(5)} if plan is seats else None,
            )
            for key, plan in plans.items()
        }
        run_due(as_of=at("2026-04-01"))
    use("2026-04-10", "5", subject="calls")
    with clock.frozen_at(at("2026-04-15")):
        cancel_subscription(subscription=made["calls"], timing=at("2026-04-16"))
    with clock.frozen_at(at("2026-04-16")):
        run_due(as_of=at("2026-04-16"))
        for key in ("added", "ended"):
            update = ItemUpdate(product_id="seats", quantity=Decimal(8), align=True)
            update_item(subscription_id=made[key].pk, running_number=1, update=update)
        change_plan(subscription=made["moved"], timing="immediate", plan=bigger, quantities={"seats": Decimal(5)})
        made["calls"].items.get().revisions.update(active_to=None)
        Subscription.objects.filter(pk=made["calls"].pk).update(active_to=None)
        mark_for_billing(subscription=made["calls"], changed_from=at("2026-04-01"))
    with clock.frozen_at(at("2026-04-26")):
        run_due(as_of=at("2026-04-26"))
        cancel_subscription(subscription=Subscription.objects.get(pk=made["ended"].pk), timing="immediate")
    use("2026-04-27", "7", subject="calls")
    with clock.frozen_at(at("2026-05-01")):
        make_default_profile(draft_period="P1D")
        run_due(as_of=at("2026-05-01"))
        for draft in Invoice.objects.filter(status__startswith="draft", customer__key="added"):
            delete_draft(invoice=draft, rebill=False, reason="Courtesy")
        for draft in Invoice.objects.filter(status__startswith="draft", customer__key="moved"):
            delete_draft(invoice=draft, rebill=True, reason="Wrong")
        for draft in Invoice.objects.filter(status__startswith="draft", customer__key="waits"):
            approve_invoice(invoice=draft)
        item = made["waits"].items.select_related("subscription").get()
        record_quantity(item=item, quantity=Decimal(6), effective_at=at("2026-05-20"))
        run_due(as_of=at("2026-05-01"))


def check() -> None:
    """Exits with what a check of the books says."""
    out = StringIO()
    with clock.frozen_at(at(LAST)):
        try:
            call_command("check_books", stdout=out)
        except SystemExit as stopped:
            sys.exit(out.getvalue() if stopped.code else 0)
