"""What stands beside a billing profile: whom a change reaches, two compared, who is pinned to it."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core.audit.models import AuditEntry
from customers.models import BillingApp, CustomerOverride, Supplier
from customers.services.record_pin import record_pin
from tests.admin.test_profiles import form
from tests.support.catalog import make_excess_plan
from tests.support.closing import make_draft, make_subscriber
from tests.support.customers import enterprise, make_customer, make_default_profile
from tests.support.desk import page_url

pytestmark = pytest.mark.django_db

SAME = {
    "name": "Default",
    "collection_method": "charge_automatically",
    "dunning_days": "1, 3, 5, 7",
    "draft_period": "PT0S",
}


def edit_url(profile):
    return reverse("admin:customers_billingprofile_edit", args=[profile.pk])


def compare_url():
    return reverse("admin:customers_billingprofile_compare")


def pinned_url(profile, csv=False):
    return reverse(f"admin:customers_billingprofile_pinned{'_csv' if csv else ''}", args=[profile.pk])


def rows(page):
    """The cells of the page's tables, row by row, as text."""
    return [
        [re.sub(r"<.*?>", "", cell, flags=re.S).strip() for cell in re.findall(r"<td.*?</td>", row, flags=re.S)]
        for row in re.findall(r"<tr.*?</tr>", page, flags=re.S)
    ]


def test_before_a_change_is_saved_the_page_says_whom_it_reaches(billing_admin):
    draft = make_draft()
    profile = make_default_profile()
    for number in range(3):
        make_customer(key=f"c{number}", name=f"Customer {number}")
    own = make_customer(key="own", name="Own")
    CustomerOverride.objects.create(customer=own, due_after="P60D")
    CustomerOverride.objects.create(customer=make_customer(key="away", name="Away"), billing_profile=enterprise())

    response = billing_admin.post(edit_url(profile), form(**SAME, auto_advance=""))
    page = response.content.decode()
    profile.refresh_from_db()
    assert profile.due_after == "P30D"
    assert AuditEntry.objects.filter(verb="billingprofile.changed").count() == 0
    assert "It bills 5 customers" in page  # Acme, three without a pin, and the one with their own term
    assert ["Due after", "30 days", "45 days", "4", "1"] in rows(page)
    assert "1 open draft made with it keeps the terms of now" in page
    assert page_url(draft) in page

    billing_admin.post(edit_url(profile), form(**SAME, auto_advance="", _confirmed="yes"))
    profile.refresh_from_db()
    assert profile.due_after == "P45D"
    assert AuditEntry.objects.get(verb="billingprofile.changed").reason == "New contracts"
    draft.refresh_from_db()
    assert draft.workflow_snapshot["values"]["due_after"] == "P30D"


def test_a_change_of_the_name_alone_is_saved_at_once(billing_admin):
    profile = make_default_profile()
    billing_admin.post(edit_url(profile), form(**(SAME | {"name": "SaaS"}), due_after="P30D"))
    profile.refresh_from_db()
    assert profile.name == "SaaS"


def test_a_change_that_can_not_be_read_goes_back_to_the_form(billing_admin):
    page = billing_admin.post(edit_url(make_default_profile()), form(due_after="soon")).content.decode()
    assert "Give a time such as 30 days" in page
    assert "What the change of" not in page


def test_the_supplier_stays_while_its_customers_have_open_business(billing_admin):
    profile = make_default_profile()
    make_subscriber(make_excess_plan())
    other = Supplier.objects.create(name="Other", invoice_prefix="O", credit_note_prefix="OC")
    answers = form(**SAME, due_after="P30D", supplier=str(other.pk))
    assert ["Supplier", "My company", "Other", "1", "0"] in rows(
        billing_admin.post(edit_url(profile), answers).content.decode()
    )
    page = billing_admin.post(edit_url(profile), answers | {"_confirmed": "yes"}).content.decode()
    assert "1 of its customers have open business with it" in page
    profile.refresh_from_db()
    assert profile.supplier.name == "My company"


def test_a_clerk_can_not_change_a_profile(clerk):
    profile = make_default_profile()
    assert clerk.post(edit_url(profile), form(**SAME)).status_code == 403
    assert clerk.post(edit_url(profile), form(**SAME, _confirmed="yes")).status_code == 403


def test_two_profiles_stand_side_by_side_with_their_differences_marked(auditor):
    default, bank = make_default_profile(), BillingApp.objects.create(type="bank_transfer", name="Bank transfer")
    other = enterprise(app=bank)
    page = auditor.read(compare_url())
    assert "They differ in 2 settings; the others are the same." in page
    marked = re.findall(r'<tr class="ch-differs">.*?</tr>', page, flags=re.S)
    assert rows("".join(marked)) == [
        ["Billing app (differs)", "Sandbox", "Bank transfer"],
        ["Due after (differs)", "30 days", "45 days"],
    ]
    swapped = auditor.read(f"{compare_url()}?left={other.pk}&right={default.pk}")
    assert ["Due after (differs)", "45 days", "30 days"] in rows(swapped)


def test_an_installation_with_one_profile_has_nothing_to_compare(auditor):
    make_default_profile()
    assert "There is only one profile." in auditor.read(compare_url())


def test_a_new_profile_begins_as_a_copy(billing_admin):
    profile = enterprise(auto_advance=False, dunning_days=[2, 9])
    url = f"{reverse('admin:customers_billingprofile_add')}?copy={profile.pk}"
    assert url in billing_admin.read(page_url(profile)).replace("&amp;", "&")
    initial = billing_admin.get(url).context["adminform"].form
    shown = {name: initial[name].value() for name in ("name", "due_after", "auto_advance", "dunning_days", "supplier")}
    assert shown == {
        "name": "Enterprise (copy)",
        "due_after": "45 days",
        "auto_advance": False,
        "dunning_days": "2, 9",
        "supplier": profile.supplier_id,
    }


def test_who_is_pinned_stands_with_the_act_that_pinned_them(auditor, clerk):
    profile = enterprise()
    clerk.do(make_customer(), "pin", profile=str(profile.pk), reason="Signed PO 4711")
    CustomerOverride.objects.update(due_after="P60D")
    make_customer(key="free", name="Free")
    page = auditor.read(pinned_url(profile))
    assert ("Signed PO 4711" in page, "Due after: 60 days" in page, "Free" in page) == (True, True, False)
    default = make_default_profile()
    following = auditor.read(f"{pinned_url(default)}?unpinned")
    assert ("Free" in following, "Acme" in following) == (True, False)
    assert "Nobody is pinned to it." in auditor.read(pinned_url(default))


def test_who_is_pinned_is_exported_whole(auditor, clerk):
    profile = enterprise()
    clerk.do(make_customer(), "pin", profile=str(profile.pk), reason="=SUM(A1)")
    response = auditor.get(pinned_url(profile, csv=True))
    assert response["Content-Disposition"] == 'attachment; filename="pinned-to-enterprise.csv"'
    lines = b"".join(response.streaming_content).decode().splitlines()
    assert len(lines) == 2
    cells = lines[1].split(",")
    assert cells[:5] == ["Acme", "acme", "billing@acme.example", "EUR", ""]
    assert cells[6:] == ["Clerk", "'=SUM(A1)"]


@pytest.mark.parametrize("number", [3, 30])
def test_the_pages_ask_as_many_queries_for_three_customers_as_for_thirty(auditor, billing_admin, number):
    profile = enterprise()
    for index in range(number):
        customer = make_customer(key=f"c{index}", name=f"Customer {index}")
        record_pin(customer=customer, profile=profile, reason="Contract")
    every_page = 6
    for url, budget in ((pinned_url(profile), 4), (compare_url(), 2), (page_url(profile), 3)):
        with CaptureQueriesContext(connection) as captured:
            auditor.read(url)
        assert len(captured) <= every_page + budget, (url, len(captured))
    with CaptureQueriesContext(connection) as captured:
        billing_admin.post(edit_url(profile), form())
    assert len(captured) <= every_page + 12
