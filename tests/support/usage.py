"""What customers use, in tests, by which plan, and what is billed of it."""

from entitlements.models import UsageEvent
from invoicing.models import InvoiceLine
from tests.support.catalog import flat_plan, usage_card
from tests.support.clock import at
from tests.support.invoices import money

UNIT = {"type": "unit", "amount": "1.00"}


def use(on, amount, subject="acme", type="usage"):
    """One event of `amount` by `subject`, taken in at once."""
    UsageEvent.objects.create(
        source="test",
        external_id=f"{subject}-{on}-{amount}",
        type=type,
        subject=subject,
        time=at(on),
        data={"amount": amount},
        ingested_at=at(on),
    )


def metered(feature, key="basic", **card):
    """A plan that charges for calls alone, at 1.00 each unless `card` says otherwise."""
    return flat_plan(
        key, None, cards=(usage_card(key="calls", name="Calls", feature=feature, **{"price": UNIT, **card}),)
    )


def billed():
    """Each issued usage line's window, quantity and net, in order of time."""
    rows = InvoiceLine.objects.counted().filter(kind="usage", invoice__issued_at__isnull=False)
    return [
        (f"{line.period_start:%m-%d}", f"{line.period_end:%m-%d}", f"{line.metered_quantity:.0f}", money(line.total))
        for line in rows.order_by("period_start")
    ]
