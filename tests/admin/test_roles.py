"""The four roles: an auditor reads everything and changes nothing; each verb needs its permission."""

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.urls import reverse

from billing_site.access.models import ApiKey
from billing_site.access.services.create_api_key import create_api_key
from billing_site.backoffice.roles import sync_roles
from core.audit.models import AuditEntry
from customers.models import BillingProfile, Customer
from invoicing.models import BillingRun, Invoice, ParkedCustomer
from tests.support.closing import make_draft, make_issued
from tests.support.customers import enterprise, make_customer
from tests.support.desk import list_url, page_url, verb_url

pytestmark = pytest.mark.django_db


def test_the_groups_exist_after_migrating():
    assert set(Group.objects.values_list("name", flat=True)) >= {
        "Finance clerk",
        "Finance approver",
        "Billing admin",
        "Auditor",
    }


def test_an_auditor_has_rights_to_read_and_no_others():
    sync_roles()
    rights = Group.objects.get(name="Auditor").permissions.values_list("codename", flat=True)
    assert rights
    assert [right for right in rights if not right.startswith("view_")] == []


def test_a_clerk_does_not_approve_and_an_approver_does_not_edit_profiles():
    sync_roles()
    clerk = set(Group.objects.get(name="Finance clerk").permissions.values_list("codename", flat=True))
    approver = set(Group.objects.get(name="Finance approver").permissions.values_list("codename", flat=True))
    assert not clerk & {"approve_invoice", "void_invoice", "release_parkedcustomer", "start_billingrun"}
    assert not clerk & {"refund_payment", "write_off_invoice", "mark_uncollectible_invoice"}
    assert not approver & {"change_billingprofile", "make_default_billingprofile", "add_apikey", "change_user"}


def verbs_and_targets():
    draft = make_draft()
    parked = ParkedCustomer.objects.create(customer=draft.customer, cause_code="no_price", cause="No price.")
    key, _ = create_api_key(name="Checkout", scopes=["*"])
    return [
        (draft, "approve"),
        (draft, "advance"),
        (draft, "delete-draft"),
        (draft, "record-payment"),
        (draft, "refund"),
        (draft, "mark-uncollectible"),
        (draft, "write-off"),
        (draft, "ask-provider"),
        (parked, "release"),
        (draft.customer, "pin"),
        (draft.customer, "unpin"),
        (draft.customer, "delete"),
        (enterprise(), "make-default"),
        (BillingProfile.objects.get(name="Enterprise"), "archive"),
        (key, "revoke"),
    ]


def test_every_verb_that_an_auditor_posts_is_403_and_changes_nothing(auditor):
    targets = verbs_and_targets()
    recorded = AuditEntry.objects.count()
    profile = BillingProfile.objects.get(name="Enterprise")
    answers = {"reason": "because", "windows": "rebill", "profile": str(profile.pk)}
    for obj, verb in targets:
        assert auditor.get(verb_url(obj, verb)).status_code == 403, verb
        assert auditor.post(verb_url(obj, verb), answers).status_code == 403, verb
    assert AuditEntry.objects.count() == recorded
    assert Invoice.objects.get(status="draft.manual_approval_needed").number is None
    assert ParkedCustomer.objects.get().released_at is None
    assert ApiKey.objects.get().revoked_at is None
    assert not BillingProfile.objects.get(name="Enterprise").is_default


def test_an_auditor_reads_every_list_and_page(auditor):
    invoice = make_issued()
    for model in (Customer, BillingProfile, Invoice, BillingRun, ParkedCustomer, ApiKey, AuditEntry):
        auditor.read(list_url(model))
    for obj in (invoice, invoice.customer, invoice.run, invoice.profile):
        auditor.read(page_url(obj))


def test_an_auditor_can_not_save_forms_nor_start_runs_nor_make_keys(auditor):
    customer = make_customer()
    form = {"name": "Renamed", "key": "acme", "time_zone": "UTC"}
    for url in (
        page_url(customer),
        reverse("admin:customers_customer_edit", args=[customer.pk]),
        reverse("admin:customers_customer_add"),
        reverse("admin:access_apikey_add"),
        reverse("admin:invoicing_billingrun_start"),
    ):
        assert auditor.post(url, form).status_code == 403, url
    customer.refresh_from_db()
    assert (customer.name, ApiKey.objects.count(), BillingRun.objects.count()) == ("Acme", 0, 0)


def test_a_bulk_action_without_the_right_does_nothing(auditor):
    draft = make_draft()
    chosen = {"action": "approve", "_selected_action": [str(draft.pk)], "confirmed": "yes", "reason": ""}
    auditor.post(list_url(Invoice), chosen)
    draft.refresh_from_db()
    assert draft.number is None


def test_strangers_are_sent_to_the_log_in(client):
    invoice = make_issued()
    response = client.post(verb_url(invoice, "collect"), {"reason": "x"})
    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


def test_a_log_in_for_a_role_is_made_by_one_command_and_made_again_by_the_same():
    for password in ("first", "second"):
        call_command(
            "create_staff", username="ada", group="Finance clerk", password=password, name="Ada Byron", verbosity=0
        )
    group = Group.objects.get(name="Finance clerk")
    user = group.user_set.get()
    assert (user.username, user.get_full_name(), user.is_staff, user.is_superuser) == ("ada", "Ada Byron", True, False)
    assert user.check_password("second")
