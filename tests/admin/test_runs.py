"""Billing runs at the finance desk: a count before the start, live progress, causes in plain words."""

import pytest
from django.urls import reverse

from core import clock
from core.audit.models import AuditEntry
from invoicing.models import BillingRun, Invoice, ParkedCustomer, RunCustomer
from invoicing.parking.tasks import release_asked
from invoicing.runs.work_shard import work_shard
from tests.support.catalog import make_excess_plan
from tests.support.closing import START, make_issued, make_subscriber, run_close
from tests.support.customers import make_customer, make_default_profile
from tests.support.desk import page_url, said, verb_url

pytestmark = pytest.mark.django_db

START_URL = "/admin/invoicing/billingrun/start/"
NOW = {"as_of_0": "2026-03-17", "as_of_1": "00:00:00"}


def test_a_run_is_counted_first_and_started_only_when_confirmed(approver):
    make_default_profile()
    make_subscriber(make_excess_plan())
    counted = approver.post(START_URL, NOW | {"reason": "Missed close"}).content.decode()
    assert "Bill 1 customer for everything due up to" in counted
    assert "Acme" in counted
    assert BillingRun.objects.count() == 0

    approver.post(START_URL, NOW | {"reason": "Missed close", "confirmed": "yes"})
    run = BillingRun.objects.get()
    assert (run.trigger, run.started_by, run.customer_count) == ("staff", "approver", 1)
    entry = AuditEntry.objects.get(verb="start_run")
    assert (entry.actor_label, entry.reason) == ("Approver", "Missed close")
    work_shard(run.shards.get().pk)
    assert Invoice.objects.get(issued_at__isnull=False).number == "INV-000001"


def test_nothing_due_starts_nothing(approver):
    response = approver.post(START_URL, NOW | {"confirmed": "yes"}, follow=True)
    assert said(response) == ["Nothing is due up to 17 Mar 2026 00:00 UTC, so no run was started."]
    assert BillingRun.objects.count() == 0


def test_the_future_is_not_closed(approver):
    with clock.frozen_at(START):
        page = approver.post(START_URL, {"as_of_0": "2026-03-18", "as_of_1": "00:00:00"}).content.decode()
    assert "the future can&#x27;t be closed" in page


def test_a_clerk_does_not_start_runs(clerk):
    assert clerk.get(START_URL).status_code == 403
    assert clerk.post(START_URL, NOW | {"confirmed": "yes"}).status_code == 403


def test_the_page_shows_outcomes_invoices_and_causes(clerk):
    run = make_issued().run
    broken = make_customer(key="broken", name="Broken")
    row = {"run": run, "shard": run.shards.get(), "customer": broken, "outcome": "parked"}
    RunCustomer.objects.create(**row, cause_code="no_price", cause="Base fee has no price.")
    BillingRun.objects.update(customer_count=2)
    page = clerk.read(page_url(run))
    for text in ("2 of 2 customers", "INV-000001", "Invoiced", "Parked", "Base fee has no price."):
        assert text in page
    parked = clerk.read(f"{page_url(run)}?outcome=parked")
    assert "Broken" in parked
    assert "INV-000001" not in parked


def test_progress_refreshes_itself_until_the_run_is_done(approver):
    make_default_profile()
    make_subscriber(make_excess_plan())
    approver.post(START_URL, NOW | {"confirmed": "yes"})
    run = BillingRun.objects.get()
    url = reverse("admin:invoicing_billingrun_progress", args=[run.pk])
    running = approver.read(url)
    assert f'hx-get="{url}" hx-trigger="every 2s"' in running
    assert "0 of 1 customer" in running
    work_shard(run.shards.get().pk)
    done = approver.read(url)
    assert "1 of 1 customers" in done
    assert "hx-get" not in done


def test_a_parked_customer_is_released_with_a_reason_and_billed_by_the_next_run(approver):
    make_default_profile()
    customer = make_subscriber(make_excess_plan())
    parked = ParkedCustomer.objects.create(customer=customer, cause_code="no_price", cause="Base fee has no price.")
    assert run_close() is None
    assert "This field is required." in approver.do(parked, "release", reason="").content.decode()
    response = approver.do(parked, "release", reason="Price entered")
    parked.refresh_from_db()
    assert said(response) == ["Acme is released. The next run bills everything that is due."]
    assert (parked.released_by, parked.release_reason) == ("Approver", "Price entered")
    run_close()
    assert Invoice.objects.get(issued_at__isnull=False).customer == customer


def test_a_parked_customer_leads_to_the_subscriptions_to_edit(clerk):
    subscription = make_issued().customer.subscriptions.get()
    others = make_customer(key="other", name="Other")
    parked = ParkedCustomer.objects.create(customer=subscription.customer, cause_code="no_price", cause="No price.")
    page = clerk.read(page_url(parked)).split("What to do")[1]
    assert f'href="{page_url(subscription)}"' in page
    lone = ParkedCustomer.objects.create(customer=others, cause_code="no_price", cause="No price.")
    assert "A subscription is edited" not in clerk.read(page_url(lone))


def test_the_list_of_runs_begins_without_single_periods_that_closed_by_themselves(clerk):
    routine, mended, both, waiting = (
        BillingRun.objects.create(as_of=START, status=status, trigger=trigger, customer_count=count)
        for status, trigger, count in (
            ("done", "schedule", 1),
            ("done", "staff", 1),
            ("done", "schedule", 2),
            ("pending", "schedule", 1),
        )
    )
    ParkedCustomer.objects.create(run=routine, customer=make_customer(), cause_code="no_price", cause="No price.")

    def shown(query):
        page = clerk.read(f"/admin/invoicing/billingrun/{query}")
        return {run for run in (routine, mended, both, waiting) if str(run.pk) in page}, page

    listed, page = shown("")
    assert listed == {mended, both, waiting}
    assert 'aria-current="true">Larger, by hand or under way</a>' in page
    assert shown("?which=parked")[0] == {routine}
    assert shown("?which=all")[0] == {routine, mended, both, waiting}


def test_a_released_customer_is_not_released_again(approver):
    parked = ParkedCustomer.objects.create(customer=make_customer(), cause_code="x", cause="X.")
    for _ in range(2):
        response = approver.do(parked, "release", reason="Fixed")
    assert said(response) == ["The customer is released already."]


def test_who_took_workers_down_is_released_by_a_worker_and_the_page_says_what_came_of_it(approver):
    """The look at what is due might take the web server down, too."""
    make_default_profile()
    customer = make_subscriber(make_excess_plan())
    parked = ParkedCustomer.objects.create(customer=customer, cause_code="workers_lost", cause="Workers ended.")
    assert "A worker looks at what is due" in approver.read(verb_url(parked, "release"))
    response = approver.do(parked, "release", reason="More memory")
    assert said(response) == ["A worker tries to release Acme now. This page says what comes of it."]
    page = approver.read(page_url(parked))
    assert ("A worker tries to release them" in page, "by Approver: More memory" in page) == (True, True)
    assert said(approver.do(parked, "release", reason="Again")) == [
        "A worker is about to release the customer already."
    ]
    parked.refresh_from_db()
    assert parked.released_at is None
    # Who can't be taxed stays parked.
    make_default_profile(tax_enabled=True, tax_enforced=True)
    release_asked()
    page = approver.read(page_url(parked))
    assert "What came of the last release" in page
    assert "Acme stays parked, since they can&#x27;t be billed yet: " in page
    entry = AuditEntry.objects.get(verb="release_refused")
    assert (entry.actor_label, entry.customer_id) == ("Approver", customer.pk)
    make_default_profile(tax_enabled=False, tax_enforced=False)
    approver.do(parked, "release", reason="Without tax")
    release_asked()
    parked.refresh_from_db()
    assert (parked.released_by, parked.release_reason) == ("Approver", "Without tax")
    assert (parked.release_asked_at, parked.lease_until) == (None, None)
    run_close()
    assert Invoice.objects.get(issued_at__isnull=False).customer == customer


def test_a_clerk_does_not_release(clerk):
    parked = ParkedCustomer.objects.create(customer=make_customer(), cause_code="x", cause="X.")
    assert clerk.do(parked, "release", reason="Fixed").status_code == 403
    parked.refresh_from_db()
    assert parked.released_at is None
