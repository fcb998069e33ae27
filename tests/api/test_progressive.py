"""Invoicing in mid-period over REST: the line that was split, its parts, and what is refused (billing rules 7)."""

import pytest

from core import clock
from core.ids import to_text
from tests.support.api import data, fields_at_fault
from tests.support.catalog import make_feature, make_meter
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_default_profile
from tests.support.subscriptions import subscribe
from tests.support.usage import metered, use

pytestmark = pytest.mark.django_db

INVOICE = "/billing/invoices/invoice"


@pytest.fixture
def customer(db):
    make_default_profile(progressive_billing=True)
    calls = make_feature(key="calls", name="Calls", meter=make_meter())
    made = subscribe(metered(calls)).customer
    use("2026-04-05", 50)
    return {"customerId": to_text(made.pk)}


def lines_of(api, invoice):
    shown = data(api.get(f"/billing/invoices/{invoice}?expand=lines"))
    return [(line["id"], line.get("parentLineId"), line["status"], line["totals"]["total"]) for line in shown["lines"]]


def gathering(api):
    [found] = data(api.get("/billing/invoices?statuses=gathering"))["items"]
    return found["id"]


def test_the_parts_and_their_group_are_shown_where_they_stand(api, customer):
    with clock.frozen_at(at("2026-04-10")):
        [(whole, parent, status, total)] = lines_of(api, gathering(api))
        assert (parent, status, total) == (None, "valid", "50.00")
        [first] = data(api.post(INVOICE, customer), 201)
        [(part, parent, status, total)] = lines_of(api, first["id"])
        assert (part != whole, parent, status, total) == (True, whole, "valid", "50.00")
        waiting = gathering(api)
        shown = {line[0]: line[1:] for line in lines_of(api, waiting)}
        assert shown.pop(whole) == (None, "split", "0.00")
        [(rest, open_part)] = shown.items()
        assert open_part == (whole, "valid", "0.00")
        assert data(api.get(f"/billing/invoices/{waiting}"))["totals"]["total"] == "0.00"
    use("2026-04-15", 7)
    with clock.frozen_at(at("2026-04-20")):
        assert data(api.get(f"/billing/invoices/{waiting}"))["totals"]["total"] == "7.00"
        [second] = data(api.post(INVOICE, customer | {"filters": {"lineIds": [rest]}}), 201)
        assert lines_of(api, second["id"]) == [(rest, whole, "valid", "7.00")]
    use("2026-04-25", 1)
    run("2026-05-01")
    with clock.frozen_at(at("2026-05-01")):
        issued = data(api.get("/billing/invoices?statuses=paid"))["items"]
        last = next(invoice for invoice in issued if invoice["totals"]["total"] == "1.00")
        assert [line[2:] for line in lines_of(api, last["id"])] == [("valid", "1.00"), ("split", "0.00")]
        assert len(data(api.get("/billing/invoices?statuses=gathering"))["items"]) == 1


@pytest.mark.parametrize(("as_of", "code"), [("2026-04-11", "in_the_future"), ("2026-04-10", "before_last_split")])
def test_a_bad_as_of_is_refused(api, customer, as_of, code):
    with clock.frozen_at(at("2026-04-10")):
        data(api.post(INVOICE, customer), 201)
        answer = api.post(INVOICE, customer | {"asOf": f"{as_of}T00:00:00Z"})
        assert fields_at_fault(answer) == {"asOf": code}


def test_the_override_says_whether_it_is_split(api, customer):
    with clock.frozen_at(at("2026-04-10")):
        off, on = ({**customer, "progressiveBillingOverride": said} for said in (False, True))
        assert "has nothing to invoice" in api.post(INVOICE, off).json()["detail"]
        make_default_profile(progressive_billing=False)
        assert "has nothing to invoice" in api.post(INVOICE, customer).json()["detail"]
        [made] = data(api.post(INVOICE, on), 201)
        assert made["totals"]["total"] == "50.00"
