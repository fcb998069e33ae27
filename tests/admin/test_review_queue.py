"""The queue of drafts that wait for approval: what is unusual first, filtered by it, approved one by one or in bulk."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.audit.actors import Actor
from core.audit.models import AuditEntry
from invoicing.drafts.judge_drafts import judge_waiting
from invoicing.models import DraftInReview, Invoice
from tests.admin.pages import hidden, text_of
from tests.support.catalog import flat_plan, make_excess_plan
from tests.support.clock import at
from tests.support.closing import make_draft, make_subscriber, run, run_close
from tests.support.customers import make_customer, make_default_profile
from tests.support.desk import Desk, list_url, page_url, said, verb_url
from tests.support.late_usage import calls_feature, ingest
from tests.support.subscriptions import subscribe
from tests.support.usage import metered

pytestmark = pytest.mark.django_db

QUEUE = list_url(DraftInReview)


def rows(desk, query=""):
    """Whose drafts the queue shows, in its order."""
    return [draft.customer.name for draft in desk.get(f"{QUEUE}{query}").context["cl"].result_list]


@pytest.fixture
def queue():
    """May of three customers: Calm has what they had, Cliff 60 % less, and Nova their first invoice, over 10.00."""
    make_default_profile(auto_advance=False)
    plan = metered(calls_feature())
    for key in ("calm", "cliff"):
        subscribe(plan, customer=make_customer(key=key, name=key.title()))
        ingest("2026-04-10", "100", subject=key)
    run("2026-05-01")
    with clock.frozen_at(at("2026-05-01")):
        desk = Desk("Billing admin", "ada")
        for draft in Invoice.objects.filter(status__startswith="draft.").order_by("customer__key"):
            desk.do(draft, "approve", reason="")
    ingest("2026-05-10", "100", subject="calm")
    ingest("2026-05-10", "40", subject="cliff")
    subscribe(flat_plan("small", "10.00"), "2026-05-20", customer=make_customer(key="nova", name="Nova"))
    run("2026-06-01")
    with clock.frozen_at(at("2026-06-01")):
        yield


def test_what_is_unusual_comes_first_with_its_cause(queue, clerk):
    assert rows(clerk) == ["Cliff", "Nova", "Calm"]
    page = text_of(clerk.read(QUEUE))
    assert "Fell 60 % below INV-000002: 100.00 EUR before, 40.00 EUR now, net." in page
    assert "First invoice The customer's first invoice." in page
    assert "1 May 2026 to 1 Jun 2026" in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?unusual=any", ["Cliff", "Nova"]),
        ("?unusual=none", ["Calm"]),
        ("?unusual=fell", ["Cliff"]),
        ("?unusual=first", ["Nova"]),
        ("?unusual=zero", []),
        ("?waits=approver", ["Cliff", "Nova", "Calm"]),
        ("?waits=time", []),
        ("?currency=EUR&unusual=first", ["Nova"]),
        ("?q=cli", ["Cliff"]),
    ],
)
def test_the_queue_is_filtered_by_what_is_unusual(queue, clerk, query, expected):
    assert rows(clerk, query) == expected


def test_what_nobody_has_looked_at_comes_before_all_others_and_says_so(queue, clerk):
    Invoice.objects.filter(customer__key="calm", issued_at=None).update(anomalies=None, anomaly_rank=None)
    assert rows(clerk) == ["Calm", "Cliff", "Nova"]
    assert "Not looked at yet" in clerk.read(QUEUE)
    judge_waiting()
    assert rows(clerk) == ["Cliff", "Nova", "Calm"]


def test_a_draft_that_waits_for_its_time_says_when_it_is_issued(clerk):
    make_draft(auto_advance=True, draft_period="P3D")
    assert "Its time issued 20 Mar 2026 00:00 UTC" in text_of(clerk.read(QUEUE))
    assert rows(clerk, "?waits=time") == ["Acme"]


def test_a_row_leads_to_the_page_of_the_draft_which_says_the_same(queue, clerk):
    draft = Invoice.objects.get(customer__key="cliff", status__startswith="draft.")
    assert page_url(draft) in clerk.read(QUEUE)
    response = clerk.get(page_url(DraftInReview.objects.get(pk=draft.pk)), follow=True)
    assert response.redirect_chain == [(page_url(draft), 302)]
    page = text_of(response.content.decode())
    assert "Look at this before it is issued. Fell 60 % below INV-000002" in page
    assert "60 % below INV-000002" in text_of(Desk("Finance approver").read(verb_url(draft, "approve")))


def chosen(*keys):
    drafts = Invoice.objects.filter(customer__key__in=keys, status__startswith="draft.")
    return {"action": "approve", "_selected_action": [str(draft.pk) for draft in drafts.order_by("customer__key")]}


def test_many_are_counted_sampled_confirmed_and_each_has_its_result(queue, approver):
    """100.00 + 40.00 + 10.00 = 150.00."""
    asked = approver.post(QUEUE, chosen("calm", "cliff", "nova")).content.decode()
    page = text_of(asked)
    assert "Approve and issue: 3 of 3 drafts?" in page
    assert "Together 150.00 EUR. Unusual: fell (1) and first invoice (1)." in page
    assert "of Cliff : 40.00 EUR; fell" in page
    assert Invoice.objects.filter(issued_at__isnull=False).count() == 2
    confirm = chosen("calm", "cliff", "nova") | {
        "confirmed": "yes",
        "reason": "All seen",
        "in_all": hidden(asked)["in_all"],
    }
    done = text_of(approver.post(QUEUE, confirm).content.decode())
    assert "Approve and issue: 3 of 3 done" in done
    assert "INV-000003 over 40.00 EUR is issued." in done
    assert Invoice.objects.filter(issued_at__isnull=False).count() == 5
    reasons = AuditEntry.objects.filter(verb="approve_invoice", actor_label="Approver").values_list("reason", flat=True)
    assert list(reasons) == ["All seen"] * 3


def test_figures_that_changed_meanwhile_are_shown_once_more_and_nothing_is_issued(queue, approver):
    asked = hidden(approver.post(QUEUE, chosen("cliff", "nova")).content.decode())
    assert asked["in_all"].startswith("Together 50.00 EUR.")
    confirm = chosen("calm", "cliff") | {"confirmed": "yes", "reason": "", "in_all": asked["in_all"]}
    page = text_of(approver.post(QUEUE, confirm).content.decode())
    assert "The figures have changed since you saw them. Nothing was done" in page
    assert "Together 140.00 EUR." in page
    assert Invoice.objects.filter(issued_at__isnull=False).count() == 2


def test_a_single_draft_is_approved_by_the_total_that_was_shown(queue, approver):
    draft = Invoice.objects.get(customer__key="cliff", status__startswith="draft.")
    url = verb_url(draft, "approve")
    seen = hidden(approver.read(url))
    assert seen["total"].startswith("40.00")
    refused = said(approver.post(url, {"reason": "", "total": "41.00"}))
    assert refused == [
        "The draft comes to 40.00 EUR now, not to 41.00 EUR. Nothing was changed. Look at it again, then approve it."
    ]
    assert said(approver.post(url, {"reason": "", "total": seen["total"]}, follow=True)) == [
        "INV-000003 over 40.00 EUR is issued."
    ]


def test_rows_that_are_excluded_say_why():
    """Who started the run does not approve its drafts; somebody else does."""
    desk = Desk("Finance approver", "ada")
    make_draft(by=Actor("user", str(desk.user.pk), "Ada"))
    asked = text_of(desk.post(QUEUE, chosen("acme")).content.decode())
    assert "Approve and issue: 0 of 1 drafts?" in asked
    assert "1 can't be done now." in asked
    assert "You started the run that made this draft: somebody else must approve it." in asked
    done = text_of(desk.post(QUEUE, chosen("acme") | {"confirmed": "yes", "reason": ""}).content.decode())
    assert "0 of 1 done" in done
    assert not Invoice.objects.filter(issued_at__isnull=False).exists()
    done = Desk("Finance approver", "bob").post(QUEUE, chosen("acme") | {"confirmed": "yes", "reason": ""})
    assert "1 of 1 done" in text_of(done.content.decode())


def test_a_clerk_and_an_auditor_read_the_queue_and_approve_nothing(queue, clerk, auditor):
    for desk in (clerk, auditor):
        assert rows(desk) == ["Cliff", "Nova", "Calm"]
        assert "Approve and issue" not in desk.read(QUEUE)
        desk.post(QUEUE, chosen("calm") | {"confirmed": "yes", "reason": "x"})
        draft = DraftInReview.objects.get(customer__key="calm", status="draft.manual_approval_needed")
        assert desk.post(verb_url(draft, "approve"), {"reason": "x"}).status_code == 403
    assert Invoice.objects.filter(issued_at__isnull=False).count() == 2


def test_who_may_not_read_invoices_does_not_read_the_queue(db):
    desk = Desk("Auditor")
    desk.user.groups.clear()
    assert desk.get(QUEUE).status_code == 403


def test_the_start_page_counts_what_waits_and_what_is_unusual_of_it(queue, clerk):
    tiles = {tile.label: tile for tile in clerk.get("/admin/").context["tiles"]}
    assert (tiles["To approve"].count, tiles["To approve"].hint) == (3, "drafts that wait for an approver, 2 unusual")
    assert clerk.get(tiles["To approve"].url).context["cl"].result_count == 3
    assert "Unusual drafts" not in tiles


def test_the_start_page_counts_unusual_drafts_that_are_issued_by_themselves(clerk):
    make_draft(auto_advance=True, draft_period="P3D")
    judge_waiting()
    tiles = {tile.label: tile for tile in clerk.get("/admin/").context["tiles"]}
    assert (tiles["To approve"].count, tiles["Unusual drafts"].count) == (0, 1)
    assert clerk.get(tiles["Unusual drafts"].url).context["cl"].result_count == 1


def test_the_queue_asks_the_same_for_thirty_drafts_as_for_three(approver):
    make_default_profile(auto_advance=False)
    plan = make_excess_plan()

    def asked(first, count):
        for number in range(first, first + count):
            make_subscriber(plan, key=f"customer-{number:03}", name=f"Customer {number:03}")
        run_close()
        judge_waiting()
        approver.read(QUEUE)
        drafts = list(Invoice.objects.filter(status__startswith="draft.").values_list("pk", flat=True))
        counts = []
        for ask in (
            lambda: approver.read(QUEUE),
            lambda: approver.read(f"{QUEUE}?unusual=first"),
            lambda: approver.post(QUEUE, {"action": "approve", "_selected_action": [str(pk) for pk in drafts]}),
        ):
            with CaptureQueriesContext(connection) as captured:
                ask()
            counts.append(len(captured))
        return counts

    few = asked(0, 3)
    assert asked(3, 27) == few
    assert max(few) <= 12
