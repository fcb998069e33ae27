"""Usage as it is ingested, early and late, and what became of it, in tests."""

from core import clock
from entitlements.metering.create_meter import create_meter
from entitlements.metering.ingest_events import ingest_events
from entitlements.metering.reverse_event import reverse_event
from entitlements.models import UsageEvent
from invoicing.models import Invoice, InvoiceLine, LateUsageCase
from tests.support.catalog import make_feature
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_default_profile
from tests.support.invoices import money
from tests.support.subscriptions import subscribe
from tests.support.usage import metered


def calls_feature(**meter):
    """A feature whose usage is the sum of the amounts of its events, read off rollups from the start."""
    options = {"aggregation": "SUM", "value_property": "$.amount"} | meter
    return make_feature(key="calls", name="Calls", meter=create_meter(key="usage", event_type="usage", **options))


def ingest(on, amount, *, arrived=None, subject="acme"):
    """An event of `amount`, of the time `on`, that came then or when it `arrived`."""
    with clock.frozen_at(at(arrived or on)):
        event = {"id": f"{subject}-{on}-{amount}", "source": "test", "type": "usage", "subject": subject}
        ingest_events(events=[event | {"time": f"{at(on):%Y-%m-%dT%H:%M:%SZ}", "data": {"amount": amount}}])


def take_back(on, *, time):
    """The event of that time is reversed on that day."""
    with clock.frozen_at(at(on)):
        event = UsageEvent.objects.get(time=at(time))
        reverse_event(source=event.source, event_id=event.external_id, reason="Sent by mistake")


def cases():
    """Each case in order of time: when its window begins, its quantity, its net and its state."""
    return [
        (f"{case.period_start:%m-%d}", f"{case.quantity.normalize():f}", money(case.net), case.state)
        for case in LateUsageCase.objects.order_by("period_start", "id")
    ]


def adjusted():
    """Each adjustment on an invoice: the day of issue, its quantity, net, and gross."""
    lines = InvoiceLine.objects.filter(kind="late", invoice__issued_at__isnull=False).order_by(
        "invoice__issued_at", "id"
    )
    return [
        (f"{line.invoice.issued_at:%m-%d}", f"{line.quantity.normalize():f}", money(line.amount), money(line.total))
        for line in lines.select_related("invoice")
    ]


def last_invoice():
    return Invoice.objects.filter(issued_at__isnull=False).latest("issued_at", "id")


def draft_with_adjustment():
    """The draft of 1 June of who used 12 units of April at 1.00, 7 more of it that came late, and 4 of May."""
    subscribe(metered(calls_feature()))
    ingest("2026-04-10", "12")
    run("2026-05-01")
    make_default_profile(auto_advance=False)
    ingest("2026-04-20", "7", arrived="2026-05-10")
    ingest("2026-05-11", "4")
    run("2026-05-12")
    run("2026-06-01")
    return InvoiceLine.objects.get(kind="late").invoice
