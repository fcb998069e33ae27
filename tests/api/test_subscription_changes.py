"""Changing, canceling, pausing subscriptions over REST: the figures of billing rules 10, previews, refusals."""

from typing import Any

import pytest

from core import clock
from core.ids import to_text
from invoicing.models import BalanceEntry, CreditNote, Invoice, InvoiceLine
from subscriptions.models import Subscription
from tests.support.api import Api, data, fields_at_fault, refused
from tests.support.catalog import flat_plan, make_plan
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_customer, make_default_profile, vat_customer
from tests.support.invoices import invoices, notes
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db


def path(subscription, verb):
    return f"/subscriptions/{to_text(subscription.pk)}/{verb}"


def post(api, subscription, verb, on="2026-04-16", **body):
    with clock.frozen_at(at(on)):
        return api.post(path(subscription, verb), body)


def stored():
    return [
        list(model.objects.order_by("pk").values())
        for model in (Invoice, InvoiceLine, CreditNote, BalanceEntry, Subscription)
    ]


def test_a_change_answers_both_subscriptions_and_bills_at_once(api):
    subscription = subscribe(flat_plan("basic", "30.00"))
    flat_plan("pro", "90.00")
    answer = data(post(api, subscription, "change", timing="immediate", plan={"key": "pro"}))
    current, upcoming = answer["current"], answer["next"]
    assert (current["status"], current["activeTo"]) == ("inactive", "2026-04-16T00:00:00Z")
    assert (upcoming["plan"]["key"], upcoming["status"]) == ("pro", "active")
    assert upcoming["activeFrom"] == "2026-04-16T00:00:00Z"
    assert upcoming["alignment"]["currentAlignedBillingPeriod"]["to"] == "2026-05-01T00:00:00Z"
    assert [total for _, total, _ in invoices()] == ["30.00", "30.00"]


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        (
            "30.00",
            "90.00",
            {"creditAmount": "15.00", "chargeAmount": "45.00", "dueNow": "35.70", "creditNoteTotal": "0.00"},
        ),
        (
            "90.00",
            "30.00",
            {"creditAmount": "45.00", "chargeAmount": "15.00", "dueNow": "0.00", "creditNoteTotal": "35.70"},
        ),
    ],
)
def test_a_preview_shows_the_figures_of_the_change_and_writes_nothing(api, old, new, shown):
    subscription = subscribe(flat_plan("old", old), customer=vat_customer())
    flat_plan("new", new)
    before = stored()
    body = {"timing": "immediate", "plan": {"key": "new"}}
    preview = data(post(api, subscription, "preview-change", **body))
    assert stored() == before
    assert {name: preview[name] for name in shown} == shown
    assert [line["amount"] for line in preview["lines"]] == [shown["chargeAmount"], "-15.00"]
    assert (preview["nextBillingAt"], preview["currency"]) == ("2026-05-01T00:00:00Z", "EUR")
    data(post(api, subscription, "change", **body))
    assert invoices()[-1][1] == shown["dueNow"]
    assert [total for _, _, total, _, _ in notes()] == ([shown["creditNoteTotal"]] if float(old) > float(new) else [])


def test_a_change_to_terms_of_its_own_at_the_next_cycle_is_scheduled_and_taken_back(api):
    subscription = subscribe(flat_plan("starter", "30.00"))
    flat_plan("free", "0.00")
    answer = data(post(api, subscription, "change", timing="next_billing_cycle", plan={"key": "free"}))
    assert (answer["current"]["status"], answer["current"]["activeTo"]) == ("canceled", "2026-05-01T00:00:00Z")
    assert (answer["next"]["status"], answer["next"]["activeFrom"]) == ("scheduled", "2026-05-01T00:00:00Z")
    refused(post(api, subscription, "cancel", timing="immediate"), 409)
    back = data(post(api, subscription, "unschedule-cancelation", "2026-04-20"))
    assert (back["status"], "activeTo" in back) == ("active", False)
    assert Subscription.objects.count() == 1
    run("2026-05-01")
    assert [total for _, total, _ in invoices()] == ["30.00", "30.00"]


def test_a_cancelation_is_immediate_unless_it_says_otherwise(api):
    subscription = subscribe(flat_plan("basic", "30.00"))
    preview = data(post(api, subscription, "preview-change"))
    assert (preview["creditNoteTotal"], preview["lines"], "nextBillingAt" in preview) == ("15.00", [], False)
    assert preview["credited"] == [
        {
            "name": "Unused part: Basic fee",
            "over": "INV-000001",
            "period": {"from": "2026-04-16T00:00:00Z", "to": "2026-05-01T00:00:00Z"},
            "amount": "15.00",
            "taxesTotal": "0.00",
            "total": "15.00",
        }
    ]
    shown = data(post(api, subscription, "cancel"))
    assert (shown["status"], shown["activeTo"]) == ("inactive", "2026-04-16T00:00:00Z")
    refused(post(api, subscription, "cancel"), 412)
    refused(post(api, subscription, "unschedule-cancelation"), 412)


def test_a_cancelation_at_the_next_cycle_can_be_taken_back(api):
    subscription = subscribe(flat_plan("basic", "30.00"))
    shown = data(post(api, subscription, "cancel", timing="next_billing_cycle"))
    assert (shown["status"], shown["activeTo"]) == ("canceled", "2026-05-01T00:00:00Z")
    refused(post(api, subscription, "change", timing="immediate", plan={"key": "basic"}), 412)
    assert data(post(api, subscription, "restore"))["status"] == "active"


def test_canceling_one_that_has_not_begun_deletes_it(api):
    with clock.frozen_at(at("2026-03-01")):
        subscription = subscribe(flat_plan("basic", "30.00"), "2026-04-01", bill=False)
    data(post(api, subscription, "cancel", "2026-03-02"))
    assert not Subscription.objects.exists()


def test_a_migration_goes_to_the_version_on_sale(api):
    old = make_plan(key="basic", effective_to=at("2026-04-10"), effective_from=at("2020-01-01"))
    with clock.frozen_at(at("2026-04-01")):
        subscription = subscribe(old)
    refused(post(api, subscription, "migrate"), 412)
    make_plan(key="basic", version=2, effective_from=at("2026-04-10"))
    assert fields_at_fault(post(api, subscription, "migrate", targetVersion=1)) == {"targetVersion": "not_newer"}
    answer = data(post(api, subscription, "migrate"))
    assert answer["next"]["plan"]["version"] == 2
    assert invoices()[-1][1] == "0.00"


def test_a_pause_gives_back_its_time_and_a_resumption_charges_what_is_left(api):
    """30.00 a month: 15 days of April come back; from 16 May on, 16 of 31 days are 15.48."""
    subscription = subscribe(flat_plan("basic", "30.00"))
    data(post(api, subscription, "pause"))
    assert notes() == [("CN-000001", "15.00", "15.00", "0.00", "15.00")]
    refused(post(api, subscription, "change", timing="immediate", plan={"key": "basic"}), 412)
    run("2026-05-01")
    assert len(invoices()) == 1
    data(post(api, subscription, "resume", "2026-05-16"))
    assert invoices()[-1] == ("INV-000002", "15.48", "0.00")
    run("2026-06-01")
    assert invoices()[-1][1] == "30.00"


def previewed(api, subscription, on, **body):
    """What the preview shows, having written nothing."""
    before = stored()
    preview = data(post(api, subscription, "preview-change", on, **body))
    assert stored() == before
    return preview


def test_a_preview_of_a_pause_and_of_its_end_shows_their_figures(api):
    """90.00 a month: 15 of 30 days of April come back, 53.55 with VAT; from 16 May on, 16 of 31 days are 46.45."""
    subscription = subscribe(flat_plan("basic", "90.00"), customer=vat_customer())
    pause = previewed(api, subscription, "2026-04-16", pause={"timing": "immediate"})
    assert (pause["creditAmount"], pause["chargeAmount"], pause["dueNow"]) == ("45.00", "0.00", "0.00")
    assert (pause["creditNoteTotal"], pause["nextAmount"], "nextBillingAt" in pause) == ("53.55", "0.00", False)
    data(post(api, subscription, "pause"))
    assert [gross for _, _, gross, _, _ in notes()] == ["53.55"]
    resume = previewed(api, subscription, "2026-05-16", resume={})
    # 46.45 with 8.83 of VAT is 55.28, of which 53.55 wait on the balance.
    assert (resume["creditAmount"], resume["chargeAmount"], resume["dueNow"]) == ("0.00", "46.45", "1.73")
    assert (resume["nextBillingAt"], resume["nextAmount"]) == ("2026-06-01T00:00:00Z", "107.10")
    data(post(api, subscription, "resume", "2026-05-16"))
    assert invoices()[-1][1:] == ("55.28", "0.00")


def test_a_preview_of_a_pause_at_the_next_cycle_bills_nothing_now(api):
    subscription = subscribe(flat_plan("basic", "30.00"))
    pause = previewed(api, subscription, "2026-04-16", pause={"timing": "next_billing_cycle"})
    assert (pause["creditAmount"], pause["dueNow"], "nextBillingAt" in pause) == ("0.00", "0.00", False)


def test_a_preview_of_a_migration_shows_its_figures(api):
    """30.00 to 60.00 on the 16th: 15.00 back, 30.00 for the rest."""
    old = flat_plan("basic", "30.00", effective_to=at("2026-04-10"), effective_from=at("2020-01-01"))
    with clock.frozen_at(at("2026-04-01")):
        subscription = subscribe(old)
    refused(post(api, subscription, "preview-change", migrate={}), 412)
    flat_plan("basic", "60.00", version=2, effective_from=at("2026-04-10"))
    preview = previewed(api, subscription, "2026-04-16", migrate={"timing": "immediate", "targetVersion": 2})
    assert (preview["creditAmount"], preview["chargeAmount"], preview["dueNow"]) == ("15.00", "30.00", "15.00")
    assert (preview["nextBillingAt"], preview["nextAmount"]) == ("2026-05-01T00:00:00Z", "60.00")
    data(post(api, subscription, "migrate"))
    assert invoices()[-1][1] == "15.00"


def test_a_preview_takes_one_change_at_a_time(api):
    subscription = subscribe(flat_plan("basic", "30.00"))
    bodies: list[dict[str, Any]] = [{"pause": {}, "resume": {}}, {"migrate": {}, "timing": "immediate"}]
    for body in bodies:
        verb = next(iter(body))
        assert fields_at_fault(post(api, subscription, "preview-change", **body)) == {verb: "stands_alone"}


def test_a_preview_in_the_past_needs_its_scope_also_for_a_pause(api):
    subscription = subscribe(flat_plan("basic", "30.00"))
    past = {"timing": "2026-04-10T00:00:00Z"}
    for verb in ("migrate", "pause", "resume"):
        refused(post(Api("subscriptions:write"), subscription, "preview-change", **{verb: past}), 403)


def test_a_paused_subscription_says_since_when(api):
    subscription = subscribe(flat_plan("basic", "30.00"))

    def shown(on):
        with clock.frozen_at(at(on)):
            return data(api.get(f"/subscriptions/{to_text(subscription.pk)}"))

    assert (shown("2026-04-16")["pauses"], "pausedFrom" in shown("2026-04-16")) == ([], False)
    answer = data(post(api, subscription, "pause"))
    assert (answer["pausedFrom"], answer["status"]) == ("2026-04-16T00:00:00Z", "active")
    assert answer["pauses"] == [{"from": "2026-04-16T00:00:00Z"}]
    data(post(api, subscription, "resume", "2026-05-16"))
    later = shown("2026-05-17")
    assert later["pauses"] == [{"from": "2026-04-16T00:00:00Z", "to": "2026-05-16T00:00:00Z"}]
    assert "pausedFrom" not in later
    data(post(api, subscription, "pause", "2026-05-17", timing="next_billing_cycle"))
    assert "pausedFrom" not in shown("2026-05-18")
    assert shown("2026-06-02")["pausedFrom"] == "2026-06-01T00:00:00Z"


def test_a_change_in_the_past_needs_its_scope_and_must_contradict_no_invoice(api):
    subscription = subscribe(flat_plan("basic", "30.00"))
    flat_plan("pro", "90.00")
    run("2026-05-01")
    body = {"timing": "2026-04-16T00:00:00Z", "plan": {"key": "pro"}}
    refused(post(Api("subscriptions:write"), subscription, "change", "2026-05-03", **body), 403)
    before = stored()
    problem = refused(post(api, subscription, "change", "2026-05-03", **body), 409)
    assert (
        "Invoice INV-000002, issued on 1 May 2026, bills Basic fee for 1 May 2026 to 1 June 2026" in problem["detail"]
    )
    assert stored() == before
    # 30 of 31 days: 87.10 for the new plan, 29.03 back for the old one.
    data(post(api, subscription, "change", "2026-05-03", **body | {"timing": "2026-05-02T00:00:00Z"}))
    assert invoices()[-1][1] == "58.07"


def test_what_a_change_refuses(api):
    subscription = subscribe(flat_plan("basic", "30.00"))
    make_plan(key="dollars", currency="USD")
    assert fields_at_fault(post(api, subscription, "change", timing="immediate")) == {"plan": "plan_or_custom_plan"}
    assert "plan.key" in fields_at_fault(post(api, subscription, "change", timing="immediate", plan={"key": "none"}))
    assert "timing" in fields_at_fault(post(api, subscription, "change", plan={"key": "basic"}))
    assert "timing" in fields_at_fault(post(api, subscription, "cancel", timing="2026-03-01T00:00:00Z"))
    refused(post(api, subscription, "change", timing="immediate", plan={"key": "dollars"}), 409)
    refused(post(api, subscription, "resume"), 412)
    refused(api.post("/subscriptions/01G65Z755AFWAKHE12NY0CQ9FH/cancel", {}), 404)
    refused(post(Api("subscriptions:read"), subscription, "cancel"), 403)


def test_balance_ledger_and_credit_notes_are_read(api):
    subscription = subscribe(flat_plan("pro", "90.00"), customer=vat_customer())
    flat_plan("basic", "30.00")
    data(post(api, subscription, "change", timing="immediate", plan={"key": "basic"}))
    assert data(api.get("/customers/acme/balance")) == {"balance": "35.70", "currency": "EUR"}
    run("2026-05-01")
    assert data(api.get("/customers/acme/balance?currency=EUR"))["balance"] == "0.00"
    assert data(api.get("/customers/acme/balance?currency=USD"))["balance"] == "0.00"
    ledger = data(api.get("/customers/acme/balance/ledger"))["items"]
    assert [(row["type"], row["amount"], row["balance"]) for row in ledger] == [
        ("applied", "-35.70", "0.00"),
        ("credit_note", "35.70", "35.70"),
    ]
    (note,) = data(api.get("/credit-notes"))["items"]
    assert (note["number"], note["movedToBalance"], note["reducedDue"]) == ("CN-000001", "35.70", "0.00")
    assert note["totals"] == {"amount": "30.00", "taxesTotal": "5.70", "total": "35.70"}
    assert [(line["name"], line["amount"]) for line in note["lines"]] == [("Unused part: Pro fee", "30.00")]
    assert note["lines"][0]["explain"]["totals"] == {"net": "30.00"}
    assert note["lines"][0]["readable"][-1] == "Net: 30.00 EUR"
    assert data(api.get(f"/credit-notes/{note['id']}")) == note
    assert note["id"] == ledger[1]["creditNoteId"]


def test_a_preview_takes_back_what_was_scheduled(api):
    subscription = subscribe(flat_plan("basic", "30.00"))
    data(post(api, subscription, "cancel", timing="next_billing_cycle"))
    preview = previewed(api, subscription, "2026-04-20", unschedule={})
    assert (preview["dueNow"], preview["nextAmount"]) == ("0.00", "30.00")
    assert preview["nextBillingAt"] == "2026-05-01T00:00:00Z"


def test_a_coupon_is_previewed_and_redeemed_on_an_item(api):
    """April is charged already; May is 15.00 with half off."""
    subscription = subscribe(flat_plan("basic", "30.00"))
    data(api.post("/coupons", {"code": "HALF", "percentage": 50, "periods": 1}), 201)
    preview = previewed(api, subscription, "2026-04-16", redeemCoupon={"runningNumber": 1, "couponCode": "HALF"})
    assert (preview["dueNow"], preview["nextAmount"]) == ("0.00", "15.00")
    with clock.frozen_at(at("2026-04-16")):
        redeemed = data(api.post(path(subscription, "items/1/coupons"), {"couponCode": "HALF"}), 201)
        again = data(api.post(path(subscription, "items/1/coupons"), {"couponCode": "HALF"}), 201)
    assert (
        redeemed
        == again
        == {
            "couponCode": "HALF",
            "runningNumber": 1,
            "effectiveFrom": "2026-05-01T00:00:00Z",
            "effectiveTo": "2026-06-01T00:00:00Z",
        }
    )
    run("2026-05-01")
    assert invoices()[-1][1] == "15.00"


def test_what_a_coupon_on_an_item_refuses(api):
    subscription = subscribe(flat_plan("basic", "30.00"))
    for body, fault in (({}, "couponCode"), ({"couponCode": "NONE"}, "couponCode")):
        assert fault in fields_at_fault(post(api, subscription, "items/1/coupons", **body))
    refused(post(api, subscription, "items/2/coupons", couponCode="NONE"), 404)
    refused(post(Api("subscriptions:read"), subscription, "items/1/coupons", couponCode="NONE"), 403)
    refused(post(api, subscription, "preview-change", redeemCoupon={"runningNumber": 2, "couponCode": "X"}), 404)


def test_a_new_subscription_is_previewed(api):
    """15 of 30 days of 30.00 are 15.00."""
    make_customer()
    make_default_profile()
    flat_plan("basic", "30.00")
    before = stored()
    body = {"customerKey": "acme", "plan": {"key": "basic"}, "billingAnchor": "calendar"}
    with clock.frozen_at(at("2026-04-16")):
        preview = data(api.post("/subscriptions/preview", body))
        refused(api.post("/subscriptions/preview", body | {"customerKey": "nobody"}), 400)
    assert stored() == before
    assert (preview["chargeAmount"], preview["dueNow"], preview["nextAmount"]) == ("15.00", "15.00", "30.00")
    assert preview["nextBillingAt"] == "2026-05-01T00:00:00Z"


def test_a_cancelation_that_is_not_scheduled_is_not_unscheduled(api):
    subscription = subscribe(flat_plan("basic", "30.00"))
    problem = refused(post(api, subscription, "unschedule-cancelation", "2026-04-20"), 412)
    assert problem["detail"] == (
        "The subscription runs on without a planned end; nothing was changed. There is nothing to unschedule."
    )
