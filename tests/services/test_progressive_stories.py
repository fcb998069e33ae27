"""What is billed part by part, for every price model: each figure by hand, each story through real closes (billing
rules 7)."""

import pytest

from core import clock
from core.errors import InvalidInput
from entitlements.models import UsageEvent
from invoicing.gathering.invoice_pending_lines import invoice_pending_lines
from invoicing.models import Invoice
from invoicing.subscription_changes.redeem_coupon import redeem_coupon
from subscriptions.models import Coupon
from tests.support.books import assert_books_are_clean
from tests.support.catalog import make_feature, make_meter
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_default_profile
from tests.support.invoices import money
from tests.support.subscriptions import subscribe
from tests.support.usage import metered

pytestmark = pytest.mark.django_db

# Unless a story says otherwise: used on the 5th, 15th and 25th of April, split on the 10th and the 20th.
USED = ((5, 50), (15, 75), (25, 30))
SPLITS = (10, 20)


def unit(amount="1.00", **more):
    return {"type": "unit", "amount": amount, **more}


def graduated(*tiers, **more):
    """Tiers as (up to, unit price, flat price)."""
    wire = []
    for up_to, each, flat in tiers:
        tier = {"unitPrice": {"type": "unit", "amount": each}}
        if flat:
            tier["flatPrice"] = {"type": "flat", "amount": flat}
        wire.append(tier | ({"upToAmount": up_to} if up_to else {}))
    return {"type": "tiered", "mode": "graduated", "tiers": wire, **more}


def package(amount, size, **more):
    return {"type": "package", "amount": amount, "quantityPerPackage": size, **more}


def percentage(share, fee=None, **more):
    return {"type": "percentage", "percentage": share, **({"fixedFeePerEvent": fee} if fee else {}), **more}


def free(units, **more):
    return {"usage": {"quantity": units}, **more}


def off(percent):
    return {"percentage": {"percentage": percent}}


TO_100 = (("100", "1.00", None), (None, "0.50", None))
OPENED = (("10", "1.00", "5.00"), (None, "0.50", None))
VOLUME = {**graduated(*TO_100), "mode": "volume"}
TENS = ((5, 10), (10, 10), (15, 10), (20, 10))
AFTER_TENS = (6, 11, 16, 21)
THIRTIES = ((5, 30), (10, 30), (15, 30), (20, 30))
# For the 6th, and taken in on the 12th.
LATE_5, LATE_60, LATE_3 = (6, 5, 12), (6, 60, 12), (6, 3, 12)

# What is billed by each invoice, in order: the last one by the close of the period.
STORIES = {
    # A unit price.
    "units": (unit(), None, ["50.00", "75.00", "30.00"]),
    "units that round": (unit("0.333"), None, ["16.65", "24.98", "9.99"]),
    "units of half a cent": (unit("0.005"), None, ["0.25", "0.38", "0.15"]),
    "110 free": (unit(), free("110"), ["15.00", "30.00"]),
    "20 free": (unit(), free("20"), ["30.00", "75.00", "30.00"]),
    "the first part is free": (unit(), free("50"), ["75.00", "30.00"]),
    "60 free": (unit(), free("60"), ["65.00", "30.00"]),
    "two parts are free": (unit(), free("125"), ["30.00"]),
    "all is free": (unit(), free("200"), ["0.00"]),
    "a tenth off": (unit(), off(10), ["45.00", "67.50", "27.00"]),
    "a third off": (unit(), off(33), ["33.50", "50.25", "20.10"]),
    "20 free and a tenth off": (unit(), free("20", **off(10)), ["27.00", "67.50", "27.00"]),
    # Maximum across all parts.
    "at most 200": (unit(maximumAmount="200.00"), None, ["50.00", "75.00", "30.00"]),
    "at most 130": (unit(maximumAmount="130.00"), None, ["50.00", "75.00", "5.00"]),
    "at most 100": (unit(maximumAmount="100.00"), None, ["50.00", "50.00", "0.00"]),
    "at most 60": (unit(maximumAmount="60.00"), None, ["50.00", "10.00", "0.00"]),
    "at most 50": (unit(maximumAmount="50.00"), None, ["50.00", "0.00"]),
    "at most 40": (unit(maximumAmount="40.00"), None, ["40.00", "0.00"]),
    "a tenth off, at most 100": (unit(maximumAmount="100.00"), off(10), ["45.00", "55.00", "0.00"]),
    # Minimum on the last part alone.
    "at least 100": (unit(minimumAmount="100.00"), None, ["50.00", "75.00", "30.00"]),
    "at least 155": (unit(minimumAmount="155.00"), None, ["50.00", "75.00", "30.00"]),
    "at least 160.50": (unit(minimumAmount="160.50"), None, ["50.00", "75.00", "35.50"]),
    "at least 200": (unit(minimumAmount="200.00"), None, ["50.00", "75.00", "75.00"]),
    "from 160 to 180": (unit(minimumAmount="160.00", maximumAmount="180.00"), None, ["50.00", "75.00", "35.00"]),
    "at least 100, 110 free": (unit(minimumAmount="100.00"), free("110"), ["15.00", "85.00"]),
    # Graduated tiers.
    "the second part reaches the next tier": (graduated(*TO_100), None, ["50.00", "62.50", "15.00"]),
    "free units, then tiers": (graduated(*TO_100), free("20"), ["30.00", "72.50", "15.00"]),
    "a fee for the first tier": (graduated(*OPENED), None, ["35.00", "37.50", "15.00"]),
    "tiers, at most 110": (graduated(*TO_100, maximumAmount="110.00"), None, ["50.00", "60.00", "0.00"]),
    "tiers, at least 150": (graduated(*TO_100, minimumAmount="150.00"), None, ["50.00", "62.50", "37.50"]),
    "tiers, a tenth off": (graduated(*TO_100), off(10), ["45.00", "56.25", "13.50"]),
    # Packages that were begun.
    "packages of 5": (package("3.00", "5"), None, ["30.00", "45.00", "18.00"]),
    "packages of 7": (package("3.00", "7"), None, ["24.00", "30.00", "15.00"]),
    "packages of 25": (package("1.00", "25"), None, ["2.00", "3.00", "2.00"]),
    "packages of 100": (package("10.00", "100"), None, ["10.00", "10.00", "0.00"]),
    "one package of 200": (package("10.00", "200"), None, ["10.00", "0.00"]),
    "packages, 12 free": (package("3.00", "5"), free("12"), ["24.00", "45.00", "18.00"]),
    "packages, at most 50": (package("3.00", "5", maximumAmount="50.00"), None, ["30.00", "20.00", "0.00"]),
    "packages, at least 100": (package("3.00", "5", minimumAmount="100.00"), None, ["30.00", "45.00", "25.00"]),
    # What events bring along.
    "dynamic": ({"type": "dynamic", "multiplier": "1.5"}, None, ["75.00", "112.50", "45.00"]),
    "dynamic, 10 free": ({"type": "dynamic", "multiplier": "1.5"}, free("10"), ["60.00", "112.50", "45.00"]),
    "a tenth of it": (percentage(10), None, ["5.00", "7.50", "3.00"]),
    "a tenth and a fee": (percentage(10, "0.25"), None, ["5.25", "7.75", "3.25"]),
    "a tenth, at least 20": (percentage(10, minimumAmount="20.00"), None, ["5.00", "7.50", "7.50"]),
    # Volume tiers are not split: all 155 at the second price.
    "volume": (VOLUME, None, ["77.50"]),
}
# With usage, meters or splits of their own: price, discounts, used, splits, meter, expected.
OTHERS = {
    "late for the first": (unit(), None, (*USED, LATE_5), SPLITS, {}, ["50.00", "80.00", "30.00"]),
    "late for the first, 60 free": (unit(), free("60"), (*USED, LATE_5), SPLITS, {}, ["70.00", "30.00"]),
    "late for both": (unit(), None, (*USED, (6, 5, 22)), SPLITS, {}, ["50.00", "75.00", "35.00"]),
    "late in tiers": (graduated(*TO_100), None, (*USED, LATE_60), SPLITS, {}, ["50.00", "92.50", "15.00"]),
    "late in packages": (package("3.00", "5"), None, (*USED, LATE_3), SPLITS, {}, ["30.00", "48.00", "18.00"]),
    "late up to a maximum": (
        *(unit(maximumAmount="130.00"), None, (*USED, LATE_5), SPLITS),
        *({}, ["50.00", "80.00", "0.00"]),
    ),
    "late below a minimum": (
        *(unit(minimumAmount="200.00"), None, (*USED, LATE_5), SPLITS),
        *({}, ["50.00", "80.00", "70.00"]),
    ),
    "a late event has its fee": (percentage(10, "0.25"), None, (*USED, LATE_5), SPLITS, {}, ["5.25", "8.50", "3.25"]),
    "nothing at the end": (unit(minimumAmount="100.00"), None, USED[:1], (10,), {}, ["50.00", "50.00"]),
    "four parts": (unit(), None, TENS, AFTER_TENS, {}, ["10.00", "10.00", "10.00", "10.00", "0.00"]),
    "four parts in tiers": (
        *(graduated(*TO_100), None, THIRTIES, AFTER_TENS, {}),
        ["30.00", "30.00", "30.00", "20.00", "0.00"],
    ),
    "parts within a package": (package("1.00", "25"), None, TENS, AFTER_TENS, {}, ["1.00", "1.00", "0.00"]),
    "rounded four times": (unit("0.333"), None, TENS, AFTER_TENS, {}, ["3.33", "3.33", "3.33", "3.33", "0.00"]),
    "maximum so far": (unit(), None, USED, SPLITS, {"aggregation": "MAX"}, ["50.00", "25.00", "0.00"]),
    "a maximum that comes last": (
        *(unit(), None, ((5, 30), (15, 20), (25, 80)), SPLITS),
        *({"aggregation": "MAX"}, ["30.00", "50.00"]),
    ),
    "maximum, 60 free": (unit(), free("60"), USED, SPLITS, {"aggregation": "MAX"}, ["15.00", "0.00"]),
    "maximum in tiers": (
        *(graduated(("60", "1.00", None), (None, "0.50", None)), None, USED, SPLITS),
        *({"aggregation": "MAX"}, ["50.00", "17.50", "0.00"]),
    ),
    "a late maximum": (unit(), None, (*USED, (6, 90, 12)), SPLITS, {"aggregation": "MAX"}, ["50.00", "40.00", "0.00"]),
    "unique ones": (
        *(unit(), None, ((5, 1), (6, 2), (15, 2), (16, 3), (25, 1), (26, 4)), SPLITS),
        *({"aggregation": "UNIQUE_COUNT"}, ["2.00", "1.00", "1.00"]),
    ),
    "a late unique one": (
        *(unit(), None, ((5, 1), (6, 2), (7, 5, 12), (15, 2), (16, 3), (25, 1), (26, 4)), SPLITS),
        *({"aggregation": "UNIQUE_COUNT"}, ["2.00", "2.00", "1.00"]),
    ),
    "counted": (
        *(unit(), None, ((5, 9), (6, 9), (15, 9), (25, 9), (26, 9), (27, 9)), SPLITS),
        *({"aggregation": "COUNT", "value_property": None}, ["2.00", "1.00", "3.00"]),
    ),
    "averages wait": (unit(), None, ((5, 50), (15, 75), (25, 31)), SPLITS, {"aggregation": "AVG"}, ["52.00"]),
    "latest values wait": (unit(), None, USED, SPLITS, {"aggregation": "LATEST"}, ["30.00"]),
    "minima wait": (unit(), None, USED, SPLITS, {"aggregation": "MIN"}, ["30.00"]),
}
# A coupon on a unit price: what it says, what was used, expected.
COUPONS = {
    "20 off": ({"amount": "20.00"}, USED, ["30.00", "75.00", "30.00"]),
    "60 off, more than the first part": ({"amount": "60.00"}, USED, ["65.00", "30.00"]),
    "130 off, more than both": ({"amount": "130.00"}, USED, ["25.00"]),
    "60 off once": ({"amount": "60.00"}, ((5, 100), (15, 20), (25, 30)), ["40.00", "20.00", "30.00"]),
    "half off": ({"percentage": "50"}, USED, ["25.00", "37.50", "15.00"]),
    "a third off": ({"percentage": "33.33"}, ((5, 1), (15, 1), (25, 1)), ["0.67", "0.67", "0.67"]),
}
CASES = [
    pytest.param(price, off_it, USED, SPLITS, {}, nets, None, id=name)
    for name, (price, off_it, nets) in STORIES.items()
]
CASES += [pytest.param(*story, None, id=name) for name, story in OTHERS.items()]
CASES += [
    pytest.param(unit(), None, used, SPLITS, {}, nets, coupon, id=f"coupon: {name}")
    for name, (coupon, used, nets) in COUPONS.items()
]


def test_there_are_stories_enough():
    assert len(CASES) >= 60


def take_in(number, day, amount, on=None):
    UsageEvent.objects.create(
        source="test",
        external_id=f"e{number}",
        type="usage",
        subject="acme",
        time=at(f"2026-04-{day:02}"),
        data={"amount": amount},
        ingested_at=at(f"2026-04-{on or day:02}"),
    )


@pytest.mark.parametrize(("price", "discounts", "used", "splits", "meter", "nets", "coupon"), CASES)
def test_a_story(price, discounts, used, splits, meter, nets, coupon):
    make_default_profile(progressive_billing=True)
    feature = make_feature(key="calls", name="Calls", meter=make_meter(**meter))
    card = {"price": price} | ({"discounts": discounts} if discounts else {})
    subscription = subscribe(metered(feature, **card))
    if coupon is not None:
        Coupon.objects.create(code="OFF", name="Off", currency="EUR" if "amount" in coupon else "", **coupon)
        with clock.frozen_at(at("2026-04-01")):
            redeem_coupon(subscription=subscription, running_number=1, code="OFF")
    arrivals = sorted((event[2] if len(event) > 2 else event[0], event) for event in used)
    for day in range(2, 29):
        for number, (on, event) in enumerate(arrivals):
            if on == day:
                take_in(number, *event)
        if day in splits:
            with clock.frozen_at(at(f"2026-04-{day:02}")):
                try:
                    invoice_pending_lines(customer=subscription.customer)
                except InvalidInput as nothing:
                    assert nothing.code == "nothing_to_invoice"
    run("2026-05-01")
    issued = Invoice.objects.filter(issued_at__isnull=False).order_by("number")
    assert [money(total) for total in issued.values_list("total", flat=True)] == nets
    assert_books_are_clean("2026-05-01T00:30")
