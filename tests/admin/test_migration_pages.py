"""Profile migrations at the finance desk: drafted, checked, approved by a second person, run, taken back."""

import re

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core import clock
from core.approvals.models import CountedAct
from core.audit.models import AuditEntry
from core.ids import to_text
from customers.models import BillingProfile, Customer, CustomerOverride
from invoicing.admin.profile_moves import migration_verbs
from invoicing.models import BalanceEntry, Invoice, MigrationItem, MigrationShard, ProfileMigration
from invoicing.profile_moves import check_migration
from invoicing.runs.run_due import run_due
from tests.admin.moves import ADD, do, draft, two_profiles, work
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.desk import Desk, list_url, page_url, said, verb_url
from tests.support.moves import MOVE

pytestmark = pytest.mark.django_db


@pytest.fixture
def profiles(db):
    return two_profiles(3)


def item_of(name):
    return MigrationItem.objects.get(customer__name=name)


def read(desk, url):
    with clock.frozen_at(MOVE):
        return desk.read(url)


def part(page, title):
    """The text of one step of the guide."""
    rows = re.findall(r'<li class="ch-step ch-step-(\w+)".*?<h4>(.*?)</h4>', page, flags=re.S)
    states = {re.sub(r"<.*?>.*", "", name, flags=re.S).strip(): state for state, name in rows}
    return states[title]


def test_who_fits_is_counted_before_anything_is_drafted(clerk, profiles):
    source, target = profiles
    answers = {"from_profile": source.pk, "to_profile": target.pk, "reason": "New contracts"}
    page = clerk.post(ADD, answers | {"customer_name": "0001"}).content.decode()
    assert "Draft the move of 1 customer from “Default” to “Enterprise”?" in page
    assert "Customer 0001" in page
    assert ProfileMigration.objects.count() == 0
    draft(clerk, *profiles, customer_name="0001")
    migration = ProfileMigration.objects.get()
    assert (migration.criteria, migration.status, migration.customer_count) == (
        {"customerName": "0001"},
        "checked",
        1,
    )
    assert AuditEntry.objects.get(verb="profilemigration.drafted").reason == "New contracts"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"to_profile": "same"}, "A move must lead to another profile."),
        ({"currency": "EUR, XYZ"}, "Not a currency of ISO 4217: XYZ."),
        ({"named": "c1, nobody"}, "No customer has the key or id nobody."),
        ({"reason": ""}, "This field is required."),
    ],
)
def test_a_draft_that_can_not_be_understood_is_refused_at_the_form(clerk, profiles, changed, message):
    source, target = profiles
    answers = {"from_profile": source.pk, "to_profile": target.pk, "reason": "x", "confirmed": "yes"} | changed
    if answers["to_profile"] == "same":
        answers["to_profile"] = source.pk
    assert message in clerk.post(ADD, answers).content.decode()
    assert ProfileMigration.objects.count() == 0


def test_named_customers_are_found_by_key_and_by_id(clerk, profiles):
    known = to_text(Customer.objects.get(key="c1").pk)
    migration = draft(clerk, *profiles, named=f"c0\n{known.lower()}, c0")
    assert set(migration.items.values_list("customer__key", flat=True)) == {"c0", "c1"}


def test_nobody_is_drafted_where_the_profile_bills_nobody(clerk, profiles):
    source, target = profiles
    answers = {"from_profile": target.pk, "to_profile": source.pk, "reason": "x"}
    assert "“Enterprise” bills nobody that fits." in clerk.post(ADD, answers).content.decode()


def test_the_page_leads_through_the_four_steps(clerk, approver, billing_admin, profiles):
    source, target = profiles
    migration = draft(clerk, source, target)
    page = read(clerk, page_url(migration))
    states = [part(page, name) for name in ("Create the target", "Pin who has no pin", "Make the target the default")]
    assert states == ["done", "now", "later"]
    assert "3 customers follow “Default”, the default, without a pin." in page

    refused = do(billing_admin, migration, "switch-default")
    assert said(refused) == ["3 customers follow the old default: pin them to it first."]
    assert said(do(clerk, migration, "pin-unpinned")) == ["3 customers are pinned to “Default”."]
    page = read(billing_admin, page_url(migration))
    assert (part(page, "Pin who has no pin"), part(page, "Make the target the default")) == ("done", "now")
    assert said(do(billing_admin, migration, "switch-default")) == ["“Enterprise” is the default profile now."]
    page = read(approver, page_url(migration))
    assert (part(page, "Make the target the default"), part(page, "Check"), part(page, "Approve")) == (
        "done",
        "done",
        "now",
    )
    assert said(do(approver, migration, "approve")) == ["Approved for 3 customers. Nobody moves yet: run it."]
    assert said(do(clerk, migration, "run")) == ["3 customers are being moved."]
    page = read(clerk, page_url(migration))
    assert "Refreshes itself" in page
    work(migration)
    page = read(clerk, page_url(migration))
    assert "Refreshes itself" not in page
    assert part(page, "Move customers one by one") == "done"
    assert CustomerOverride.objects.filter(billing_profile=target).count() == 3
    assert "Agreed" in page


def test_a_move_between_two_profiles_that_are_no_default_needs_no_pins(clerk, profiles):
    _, target = profiles
    other = BillingProfile.objects.create(name="Other", supplier=target.supplier, app=target.app)
    CustomerOverride.objects.create(customer=Customer.objects.get(key="c0"), billing_profile=target)
    page = read(clerk, page_url(draft(clerk, target, other)))
    assert part(page, "Pin who has no pin") == "spared"
    assert part(page, "Make the target the default") == "spared"
    assert part(page, "Approve") == "now"


def test_above_the_threshold_the_author_is_told_that_somebody_else_must_approve(approver, profiles, settings):
    settings.MIGRATION_TWO_PERSON_ABOVE = 2
    migration = draft(approver, *profiles)
    why = "You drafted it: of more than 2 customers, somebody else must approve."
    page = read(approver, page_url(migration))
    assert f'aria-label="Approve: {why}"' in page
    assert verb_url(migration, "approve") not in page
    assert said(do(approver, migration, "approve")) == [why]
    migration.refresh_from_db()
    assert migration.status == "checked"
    second = Desk("Finance approver", "second")
    assert said(do(second, migration, "approve")) == ["Approved for 3 customers. Nobody moves yet: run it."]
    assert "By Second. The list of customers is frozen." in read(approver, page_url(migration))


def test_whose_customers_would_lose_tax_the_author_is_told_so_at_the_button(approver, profiles):
    """Nobody finds out by pressing it: of one who is untaxed, and of all who add up to too many a day."""
    migration = draft(approver, *profiles)
    assert f'href="{verb_url(migration, "approve")}"' in read(approver, page_url(migration))
    BillingProfile.objects.filter(pk=migration.to_profile_id).update(tax_enabled=False)
    why = (
        "The next invoices of 3 customers would be without tax. You drafted this migration: somebody else must approve"
    )
    assert f'aria-label="Approve: {why} it."' in read(approver, page_url(migration))
    assert said(do(approver, migration, "approve")) == [f"{why} it."]
    second = Desk("Finance approver", "second")
    assert said(do(second, migration, "approve")) == ["Approved for 3 customers. Nobody moves yet: run it."]


def test_pins_of_the_day_are_counted_at_the_button(approver, profiles, settings):
    settings.MIGRATION_TWO_PERSON_ABOVE = 3
    migration = draft(approver, *profiles)
    CountedAct.objects.create(rule="move", person=f"user:{approver.user.pk}", subject_id=migration.pk)
    why = "That makes 4 customers moved by you within 24 hours, and one person moves 3 at most."
    assert f'aria-label="Approve: {why}' in read(approver, page_url(migration))


def test_an_approval_needs_a_reason(clerk, approver, profiles):
    migration = draft(clerk, *profiles)
    page = do(approver, migration, "approve", reason="").content.decode()
    assert "This field is required." in page
    migration.refresh_from_db()
    assert migration.status == "checked"


def test_a_first_batch_pauses_and_the_rest_goes_on(clerk, approver, profiles):
    migration = draft(clerk, *profiles)
    do(approver, migration, "approve")
    assert said(do(clerk, migration, "run", limit="1")) == ["1 customer is being moved."]
    assert work(migration).status == "paused"
    page = read(clerk, page_url(migration))
    assert "1 moved, 2 left." in page
    assert said(do(clerk, migration, "resume")) == ["2 customers are being moved."]
    assert said(do(clerk, migration, "pause")) == [
        "Paused. Who was moved stays moved; nobody else moves until it goes on."
    ]
    assert said(do(clerk, migration, "cancel")) == ["Cancelled. Who was moved stays moved; nobody else moves."]
    assert AuditEntry.objects.get(verb="profilemigration.cancelled").reason == "Agreed"
    assert sorted(MigrationItem.objects.values_list("outcome", flat=True)) == ["cancelled", "cancelled", "moved"]


def test_who_is_blocked_shows_with_the_cause_and_its_row_and_is_tried_again(clerk, approver, profiles):
    source, target = profiles
    target.supplier = type(target.supplier).objects.create(name="Other", invoice_prefix="O", credit_note_prefix="OC")
    target.save()
    customer = Customer.objects.get(key="c1")
    BalanceEntry.objects.create(customer=customer, currency="EUR", amount=5, kind="credit_note")
    migration = draft(clerk, source, target)
    page = read(clerk, page_url(migration))
    assert "Customer balance" in page
    assert "A balance of 5 EUR is owed by My company" in page
    assert f'href="{page_url(customer)}"' in page
    do(approver, migration, "approve")
    # Who is blocked is left out, so nobody of those who move is dealt with yet.
    assert "0 of 2 customers dealt with" in read(clerk, page_url(migration))
    do(clerk, migration, "run")
    work(migration)
    assert "2 of 2 customers dealt with" in read(clerk, page_url(migration))
    found = read(clerk, f"{page_url(migration)}?outcome=blocked")
    assert (
        "Customer 0001" in found.split('id="customers"')[1],
        "Customer 0000" in found.split('id="customers"')[1],
    ) == (
        True,
        False,
    )
    by_cause = read(clerk, f"{page_url(migration)}?cause=balance").split('id="customers"')[1]
    assert ("Customer 0001" in by_cause, "Customer 0002" in by_cause) == (True, False)
    item = item_of("Customer 0001")
    assert said(do(clerk, item, "retry"))[0].startswith("Customer 0001 still can't move. A balance of 5 EUR")
    BalanceEntry.objects.create(customer=customer, currency="EUR", amount=-5, kind="applied")
    assert said(do(clerk, item, "retry")) == ["Customer 0001 was moved to “Enterprise”."]


def shown_parts(page):
    """The parts of the last step: title and state."""
    parts = page.split('<ol class="ch-parts">')[1].split("</ol>")[0].split('<li class="ch-step ch-step-')[1:]
    return [(re.search(r"<h4>(\w+)", part)[1], part.split('"')[0]) for part in parts]


def test_who_fails_is_tried_again_with_all_who_failed(clerk, approver, profiles):
    source, target = profiles
    migration = draft(clerk, source, target)
    do(approver, migration, "approve")
    do(clerk, migration, "run")
    Customer.objects.filter(key="c2").update(deleted_at=MOVE)
    assert work(migration).status == "done"
    page = read(clerk, page_url(migration))
    assert "2 moved, 0 left, 1 failed." in page
    for shown in (page, read(clerk, list_url(ProfileMigration))):
        assert '<span class="ch-badge ch-red" title="">Done, 1 failed</span>' in shown
        assert "ch-progress-fill ch-red-fill" in shown
    assert ("Move", "later") in shown_parts(page)
    assert ">Customer 0002</a> was deleted." in page
    assert "Try 1 customer again who failed?" in read(clerk, verb_url(migration, "retry-failed"))
    Customer.objects.filter(key="c2").update(deleted_at=None)
    assert said(do(clerk, migration, "retry-failed")) == ["1 customer is tried again."]
    assert work(migration).status == "done"
    page = read(clerk, page_url(migration))
    assert "3 moved, 0 left." in page
    assert '<span class="ch-badge ch-green" title="">Done</span>' in page
    assert ("Move", "done") in shown_parts(page)
    assert said(do(clerk, migration, "retry-failed")) == ["Nobody failed."]


def test_several_are_taken_back_at_once_with_the_result_of_each(clerk, approver, profiles):
    migration = draft(clerk, *profiles)
    do(approver, migration, "approve")
    do(clerk, migration, "run", limit="2")
    work(migration)
    several = re.search(r'href="([^"]*)">Several at once', read(clerk, f"{page_url(migration)}?outcome=moved"))[1]
    listed = read(clerk, several.replace("&amp;", "&"))
    assert [name in listed for name in ("Customer 0000", "Customer 0001", "Customer 0002")].count(True) == 2
    ids = [str(pk) for pk in migration.items.values_list("pk", flat=True)]
    chosen = {"action": "take-back", "_selected_action": ids}
    with clock.frozen_at(MOVE):
        asked = clerk.post(list_url(MigrationItem), chosen).content.decode()
        done = clerk.post(list_url(MigrationItem), chosen | {"confirmed": "yes", "reason": "Agreed"}).content.decode()
    assert "Take back: 2 of 3" in asked
    assert "2 of 3 done" in done
    assert "The customer was not moved." in done
    assert sorted(MigrationItem.objects.values_list("outcome", flat=True)) == ["pending", "taken_back", "taken_back"]


def test_more_than_one_person_moves_in_a_day_are_not_taken_back_at_once(clerk, approver, profiles, settings):
    migration = draft(clerk, *profiles)
    do(approver, migration, "approve")
    do(clerk, migration, "run")
    work(migration)
    settings.MIGRATION_TWO_PERSON_ABOVE = 2
    ids = [str(pk) for pk in migration.items.values_list("pk", flat=True)]
    chosen = {"action": "take-back", "_selected_action": ids, "confirmed": "yes", "reason": "Agreed"}
    with clock.frozen_at(MOVE):
        refused = said(clerk.post(list_url(MigrationItem), chosen, follow=True))
    assert refused[0].startswith("That makes 3 customers moved by you within 24 hours, and one person moves 2 at most.")
    assert set(MigrationItem.objects.values_list("outcome", flat=True)) == {"moved"}


def test_a_check_that_takes_long_is_followed_until_the_workers_end_it(clerk, profiles, monkeypatch):
    monkeypatch.setattr(check_migration, "AT_ONCE", 2)
    migration = draft(clerk, *profiles)
    page = read(clerk, page_url(migration))
    assert "0 of 3 checked" in page
    assert "Refreshes itself" in page
    assert "Being checked" in page
    assert said(do(clerk, migration, "check")) == ["The check is under way."]
    work(migration)
    assert "3 ready, 0 with a warning, 0 blocked." in read(clerk, page_url(migration))


def test_one_is_taken_back_with_a_reason(clerk, approver, profiles):
    migration = draft(clerk, *profiles)
    do(approver, migration, "approve")
    do(clerk, migration, "run")
    work(migration)
    item = item_of("Customer 0002")
    assert "Take Customer 0002 back to “Default”?" in read(clerk, verb_url(item, "take-back"))
    assert said(do(clerk, item, "take-back")) == ["Customer 0002 is billed by “Default” again."]
    assert CustomerOverride.objects.get(customer__key="c2").billing_profile is None
    assert AuditEntry.objects.get(verb="customer.taken_back").reason == "Agreed"
    page = read(clerk, page_url(item))
    assert "Taken back" in page
    assert "Next invoice, old and new" not in page


def test_taking_back_shows_first_what_it_changes(clerk, approver, profiles):
    migration = draft(clerk, *profiles)
    do(approver, migration, "approve")
    do(clerk, migration, "run")
    work(migration)
    item = item_of("Customer 0002")
    with clock.frozen_at(MOVE):
        shown = clerk.post(verb_url(item, "take-back"), {"reason": "Asked for it"}).content.decode()
    # The profile and the days that it gives.
    assert "2 settings of Customer 0002 change from the next invoice on" in shown
    due = re.search(r"<td>Due after</td>(.*?)</tr>", shown)
    assert re.findall(r"<td.*?>(?:<span.*?>)?(.*?)<", due[1]) == ["45 days", "30 days", "default profile"]
    assert "Next invoice, old and new" in shown
    assert CustomerOverride.objects.get(customer__key="c2").billing_profile == migration.to_profile


def test_who_was_billed_since_is_not_offered_the_way_back_and_it_says_why(clerk, approver, profiles):
    migration = draft(clerk, *profiles)
    do(approver, migration, "approve")
    do(clerk, migration, "run")
    work(migration)
    item = item_of("Customer 0002")
    assert f"{verb_url(item, 'take-back')}" in read(clerk, page_url(migration))
    with clock.frozen_at(at("2026-04-18")):
        run_due(as_of=at("2026-04-18"))
    since = Invoice.objects.filter(customer=item.customer, issued_at__isnull=False).latest("issued_at").number
    page = read(clerk, page_url(migration))
    assert verb_url(item, "take-back") not in page
    assert f"Their next invoice exists: {since}." in page
    assert said(do(clerk, item, "take-back")) == [f"Their next invoice exists: {since}."]


def test_who_was_pinned_elsewhere_since_is_not_offered_it_either(clerk, approver, profiles):
    source, _ = profiles
    migration = draft(clerk, *profiles)
    do(approver, migration, "approve")
    do(clerk, migration, "run")
    work(migration)
    CustomerOverride.objects.filter(customer__key="c2").update(billing_profile=source)
    assert said(do(clerk, item_of("Customer 0002"), "take-back")) == ["Their profile was changed since."]


def test_a_cause_names_its_rows_once_as_links(clerk, profiles):
    source, target = profiles
    with clock.frozen_at(MOVE):
        run_due(as_of=MOVE)
    invoice = Invoice.objects.get(customer__key="c1", issued_at__isnull=False)
    Invoice.objects.filter(pk=invoice.pk).update(status="overdue", paid=0, due=invoice.total)
    grid = read(clerk, page_url(draft(clerk, source, target))).split('id="customers"')[1]
    assert grid.count(invoice.number) == 1
    assert f'{page_url(invoice)}">{invoice.number}</a> is unpaid' in grid


def test_the_money_is_shown_old_and_new_with_totals_per_currency(clerk, profiles):
    migration = draft(clerk, *profiles)
    url = reverse("admin:invoicing_profilemigration_impact", args=[migration.pk])
    totals = read(clerk, f"{url}?totals")
    assert totals.count('150.00 <span class="ch-currency">EUR</span>') == 2
    page = read(clerk, url)
    assert "Customer 0000" in page
    assert page.count('50.00 <span class="ch-currency">EUR</span>') >= 6


def test_the_grid_is_exported_as_it_is_filtered(clerk, profiles):
    migration = draft(clerk, *profiles)
    Customer.objects.filter(key="c1").update(name="=1+1")
    url = reverse("admin:invoicing_profilemigration_customers", args=[migration.pk])
    response = clerk.get(url)
    lines = b"".join(response.streaming_content).decode().splitlines()
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert lines[0].endswith("Customer,Key,E-mail,Check,Outcome,Causes,Messages,Before,Tries,Moved at")
    assert sorted(lines[1:]) == sorted(
        [
            "Customer 0000,c0,c0@example.com,Ready,Not moved yet,,,,0,",
            "'=1+1,c1,c1@example.com,Ready,Not moved yet,,,,0,",
            "Customer 0002,c2,c2@example.com,Ready,Not moved yet,,,,0,",
        ]
    )
    filtered = b"".join(clerk.get(f"{url}?outcome=moved").streaming_content).decode().splitlines()
    assert len(filtered) == 1


def test_the_part_that_follows_the_workers_ends_with_a_new_page(clerk, approver, profiles):
    migration = draft(clerk, *profiles)
    do(approver, migration, "approve")
    do(clerk, migration, "run")
    url = reverse("admin:invoicing_profilemigration_live", args=[migration.pk])
    assert "0 of 3 customers dealt with" in read(clerk, url)
    work(migration)
    assert clerk.get(url)["HX-Refresh"] == "true"


@pytest.mark.parametrize("number", [3, 30])
def test_the_pages_ask_as_many_queries_for_three_customers_as_for_thirty(clerk, approver, number):
    migration = draft(clerk, *two_profiles(number))
    do(approver, migration, "approve")
    do(clerk, migration, "run", limit="1")
    work(migration)
    every_page = 6
    for url, budget in (
        (page_url(migration), 8),
        (list_url(ProfileMigration), 4),
        (list_url(MigrationItem), 3),
        (reverse("admin:invoicing_profilemigration_live", args=[migration.pk]), 5),
        (page_url(item_of("Customer 0001")), 24),
        (reverse("admin:invoicing_profilemigration_impact", args=[migration.pk]), 41),
    ):
        with CaptureQueriesContext(connection) as captured:
            read(clerk, url)
        assert len(captured) <= every_page + budget, (url, len(captured))


def test_an_auditor_reads_everything_and_changes_nothing(auditor, clerk, profiles):
    migration = draft(clerk, *profiles)
    page = read(auditor, page_url(migration))
    assert "/do/" not in page
    assert auditor.get(ADD).status_code == 403
    for verb in (
        "check",
        "pin-unpinned",
        "switch-default",
        "approve",
        "run",
        "resume",
        "pause",
        "retry-failed",
        "cancel",
    ):
        assert auditor.post(verb_url(migration, verb), {"reason": "x"}).status_code == 403, verb
    for verb in ("retry", "take-back"):
        assert auditor.post(verb_url(item_of("Customer 0000"), verb), {"reason": "x"}).status_code == 403, verb
    migration.refresh_from_db()
    assert migration.status == "checked"


def test_a_get_changes_nothing(clerk, approver, profiles):
    migration = draft(clerk, *profiles)
    recorded = AuditEntry.objects.count()
    for desk, verb in ((clerk, "check"), (clerk, "pin-unpinned"), (approver, "approve"), (clerk, "cancel")):
        assert "Reason" in read(desk, verb_url(migration, verb))
    assert AuditEntry.objects.count() == recorded


def test_a_clerk_does_not_approve_nor_switch_the_default(clerk, profiles):
    migration = draft(clerk, *profiles)
    for verb in ("approve", "switch-default"):
        assert clerk.post(verb_url(migration, verb), {"reason": "x", "confirmed": "yes"}).status_code == 403


def test_someone_who_was_named_but_is_billed_elsewhere_shows_as_blocked(clerk, profiles):
    _, target = profiles
    stranger = make_customer(key="elsewhere", name="Elsewhere")
    CustomerOverride.objects.create(customer=stranger, billing_profile=target)
    migration = draft(clerk, *profiles, named="c0 elsewhere")
    assert "there is nothing to move" in read(clerk, page_url(migration))
    assert item_of("Elsewhere").verdict == "blocked"
    again = do(clerk, migration, "check")
    assert said(again) == ["2 customers checked: 1 can move, 1 blocked."]
    assert [message.level_tag for message in get_messages(again.wsgi_request)] == ["warning"]


def test_many_are_pinned_by_the_workers_with_their_progress(clerk, billing_admin, profiles, monkeypatch):
    monkeypatch.setattr(migration_verbs, "AT_ONCE", 2)
    migration = draft(clerk, *profiles)
    assert said(do(clerk, migration, "pin-unpinned")) == ["3 customers are being pinned to “Default”."]
    page = read(clerk, page_url(migration))
    assert "0 of 3 are pinned to “Default”." in page
    assert "Refreshes itself" in page
    assert said(do(clerk, migration, "pin-unpinned")) == ["They are being pinned."]
    # A check that the page waits for leaves the pins to the workers.
    assert said(do(clerk, migration, "check")) == ["3 customers checked: 3 can move, 0 blocked."]
    assert "0 of 3 are pinned to “Default”." in read(clerk, page_url(migration))
    assert said(do(billing_admin, migration, "switch-default")) == [
        "Customers are being pinned to the old default: it waits for the last of them."
    ]
    work(migration)
    live = clerk.get(reverse("admin:invoicing_profilemigration_live", args=[migration.pk]))
    assert live.headers["HX-Refresh"] == "true"
    page = read(clerk, page_url(migration))
    assert (part(page, "Pin who has no pin"), part(page, "Make the target the default")) == ("done", "now")


def test_the_step_names_who_could_not_be_pinned_until_they_are(clerk, billing_admin, profiles):
    migration = draft(clerk, *profiles)
    left_out = [{"customer": "x", "name": "Customer 0001", "code": "workers_lost", "message": "2 workers ended."}]
    MigrationShard.objects.create(migration=migration, kind="pin", status="done", total=3, done=2, left_out=left_out)
    page = read(clerk, page_url(migration))
    assert part(page, "Pin who has no pin") == "now"
    assert "Could not be pinned: Customer 0001: 2 workers ended." in page
    do(billing_admin, migration, "pin-unpinned")
    assert "Could not be pinned" not in read(clerk, page_url(migration))


def test_the_part_that_refreshes_itself_does_not_count_every_customer_each_time(clerk, profiles, monkeypatch):
    monkeypatch.setattr(migration_verbs, "AT_ONCE", 2)
    migration = draft(clerk, *profiles)
    url = reverse("admin:invoicing_profilemigration_live", args=[migration.pk])

    def counts_of(times):
        with CaptureQueriesContext(connection) as queries:
            pages = [read(clerk, url) for _ in range(times)]
        counting = [q for q in queries if "COUNT" in q["sql"] and "customers_customeroverride" in q["sql"]]
        return pages[-1], len(counting)

    ProfileMigration.objects.update(status="running")
    page, counted = counts_of(3)
    assert "3 customers follow “Default”, the default, without a pin." in page
    assert counted == 1
    do(clerk, migration, "pin-unpinned")
    page, counted = counts_of(3)
    assert "0 of 3 are pinned" in page
    assert counted == 0
