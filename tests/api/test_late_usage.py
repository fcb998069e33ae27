"""Late usage over REST: listed, billed, waived, once each."""

import pytest

from core import clock
from core.ids import to_text
from invoicing.models import Invoice, LateUsageCase
from tests.support.api import Api, data, refused
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_default_profile
from tests.support.late_usage import calls_feature, ingest
from tests.support.subscriptions import subscribe
from tests.support.usage import metered

pytestmark = pytest.mark.django_db
LATE_USAGE = "/late-usage"


@pytest.fixture
def case():
    """12 units of April at 1.00, then 7 that came on 10 May."""
    subscribe(metered(calls_feature()))
    make_default_profile(late_usage="ask")
    ingest("2026-04-10", "12")
    run("2026-05-01")
    ingest("2026-04-20", "7", arrived="2026-05-10")
    run("2026-05-12")
    with clock.frozen_at(at("2026-05-20")):
        yield LateUsageCase.objects.get()


def test_it_is_listed_with_its_money_and_filtered(api, case):
    [row] = data(api.get(f"{LATE_USAGE}?state=open"))["items"]
    shown = {name: row[name] for name in ("id", "quantity", "billedQuantity", "net", "state", "currency", "name")}
    assert shown == {
        "id": to_text(case.pk),
        "quantity": "7",
        "billedQuantity": "12",
        "net": "7.00",
        "state": "open",
        "currency": "EUR",
        "name": "Calls",
    }
    assert row["readable"][-1] == "Net: 7.00 EUR"
    assert data(api.get(f"{LATE_USAGE}?state=billed"))["items"] == []
    assert data(api.get(f"{LATE_USAGE}/{to_text(case.pk)}"))["period"]["from"] == "2026-04-01T00:00:00Z"


def test_it_is_billed_once_and_names_its_line(api, case):
    url = f"{LATE_USAGE}/{to_text(case.pk)}/bill"
    refused(api.post(url, {}), 400)
    billed = data(api.post(url, {"reason": "Agreed", "quantity": "7", "net": "7.00"}))
    assert (billed["state"], billed["reason"]) == ("billed", "Agreed")
    assert billed["lineId"]
    assert billed["invoiceId"]
    assert "is decided already: billed" in refused(api.post(url, {"reason": "Agreed"}), 409)["detail"]


def test_other_figures_than_were_seen_are_refused(api, case):
    url = f"{LATE_USAGE}/{to_text(case.pk)}/waive"
    refused(api.post(url, {"reason": "Small", "quantity": "6", "net": "6.00"}), 409)
    assert LateUsageCase.objects.get().state == "open"
    assert data(api.post(url, {"reason": "Small"}))["state"] == "waived"


def test_reading_takes_one_scope_and_deciding_another(case):
    url = f"{LATE_USAGE}/{to_text(case.pk)}"
    reader = Api("billing:read")
    data(reader.get(url))
    refused(reader.post(f"{url}/bill", {"reason": "Agreed"}), 403)


def test_the_same_request_sent_twice_is_done_once(api, case):
    url = f"{LATE_USAGE}/{to_text(case.pk)}/bill"
    answers = [data(api.post(url, {"reason": "Agreed"}, Idempotency_Key="k-1")) for _ in range(2)]
    assert answers[0] == answers[1]


def test_it_is_reissued_with_the_difference_and_names_both_invoices(api, case):
    Invoice.objects.filter(status="paid").update(status="issued", paid=0, due=12)
    url = f"{LATE_USAGE}/{to_text(case.pk)}/reissue"
    refused(api.post(url, {"reason": "One invoice", "quantity": "6", "net": "6.00"}), 409)
    done = data(api.post(url, {"reason": "One invoice", "quantity": "7", "net": "7.00"}))
    voided, new = Invoice.objects.get(status="voided"), Invoice.objects.get(number="INV-000002")
    assert (done["voidedInvoiceId"], done["replacementInvoiceId"]) == (to_text(voided.pk), to_text(new.pk))
    assert (done["difference"], done["charges"]) == (
        "7.00",
        [
            {
                "name": "Calls",
                "period": {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"},
                "before": "12.00",
                "after": "19.00",
            }
        ],
    )
    shown = data(api.get(f"{LATE_USAGE}/{to_text(case.pk)}"))
    assert (shown["state"], shown["invoiceId"], shown) == ("reissued", to_text(new.pk), done["lateUsage"])
    assert data(api.get(f"/billing/invoices/{to_text(new.pk)}"))["preceding"][0]["number"] == "INV-000001"
    refused(api.post(url, {"reason": "One invoice"}), 409)


def test_what_is_paid_is_not_reissued_and_a_reader_reissues_nothing(api, case):
    url = f"{LATE_USAGE}/{to_text(case.pk)}/reissue"
    assert "12.00 EUR of it is paid: credit it instead" in refused(api.post(url, {"reason": "x"}), 412)["detail"]
    refused(Api("billing:read").post(url, {"reason": "x"}), 403)
    assert LateUsageCase.objects.get().state == "open"
