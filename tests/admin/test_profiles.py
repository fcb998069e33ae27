"""Billing profiles at the finance desk: one default, changed without moving anyone across apps."""

import re

import pytest
from django.urls import reverse

from core.audit.models import AuditEntry
from customers.models import BillingApp, BillingProfile, CustomerOverride, Supplier
from invoicing.profile_moves.make_default_profile import make_default_profile as switch_default
from tests.support.catalog import make_excess_plan
from tests.support.closing import make_subscriber
from tests.support.customers import enterprise, make_customer, make_default_profile
from tests.support.desk import page_url, said, verb_url

pytestmark = pytest.mark.django_db


def bank():
    return BillingApp.objects.create(type="bank_transfer", name="Bank transfer")


def form(**changes):
    profile = make_default_profile()
    values = {
        "name": "Enterprise",
        "description": "",
        "supplier": str(profile.supplier_id),
        "app": str(profile.app_id),
        "collection_method": "send_invoice",
        "due_after": "P45D",
        "dunning_days": "2, 4",
        "auto_advance": "on",
        "draft_period": "P1D",
        "collection_interval": "PT0S",
        "collection_alignment": "subscription",
        "late_usage": "bill",
        "progressive_threshold": "",
        "progressive_threshold_currency": "",
        "tax_enabled": "on",
        "tax_behavior": "",
        "tax_code": "",
        "change_reason": "New contracts",
    }
    return values | changes


def test_a_profile_is_added_and_recorded(billing_admin):
    billing_admin.post(reverse("admin:customers_billingprofile_add"), form())
    profile = BillingProfile.objects.get(name="Enterprise")
    assert (profile.due_after, profile.dunning_days, profile.is_default) == ("P45D", [2, 4], False)
    entry = AuditEntry.objects.get()
    assert (entry.sentence, entry.reason) == ("Admin created billing profile Enterprise.", "New contracts")


def test_a_change_is_told_with_the_values_before_and_after(billing_admin):
    profile = make_default_profile()
    url = reverse("admin:customers_billingprofile_edit", args=[profile.pk])
    unchanged = {"collection_method": "charge_automatically", "dunning_days": "1, 3, 5, 7", "draft_period": "PT0S"}
    billing_admin.post(url, form(name="Default", _confirmed="yes", **unchanged))
    entry = AuditEntry.objects.get()
    assert entry.sentence == "Admin changed billing profile Default: due after from 30 days to 45 days."
    assert entry.changes == {"due_after": ["P30D", "P45D"]}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("due_after", "in 30 days", "Give a time such as 30 days"),
        ("dunning_days", "3, 1", "must be at least 1 and rise"),
        ("dunning_days", "soon", "whole days"),
        ("progressive_threshold", "100", "Give the amount and its currency together."),
    ],
)
def test_settings_that_can_not_be_read_are_refused(billing_admin, field, value, message):
    page = billing_admin.post(reverse("admin:customers_billingprofile_add"), form(**{field: value}))
    assert message in page.content.decode()
    assert BillingProfile.objects.count() == 1


def test_the_rhythm_is_chosen_in_words(billing_admin):
    url = reverse("admin:customers_billingprofile_add")
    assert '<option value="P3M">3 months</option>' in billing_admin.read(url)
    billing_admin.post(
        url,
        form(
            name="Quarterly",
            collection_alignment="anchored",
            collection_cadence="P3M",
            collection_anchor_0="2026-01-01",
            collection_anchor_1="00:00",
        ),
    )
    assert BillingProfile.objects.get(name="Quarterly").collection_cadence == "P3M"
    assert "Select a valid choice" in billing_admin.post(url, form(collection_cadence="P5D")).content.decode()


def test_the_app_of_a_profile_never_changes(billing_admin):
    profile = enterprise()
    url = reverse("admin:customers_billingprofile_edit", args=[profile.pk])
    billing_admin.post(url, form(app=str(bank().pk), name="Renamed", _confirmed="yes"))
    profile.refresh_from_db()
    assert (profile.name, profile.app) == ("Renamed", make_default_profile().app)


def test_another_default_pins_live_customers_who_would_change_the_app(billing_admin):
    old = make_default_profile()
    new = enterprise(app=bank())
    live = make_subscriber(make_excess_plan())
    make_customer(key="idle", name="Idle")
    pinned = make_customer(key="pinned", name="Pinned")
    CustomerOverride.objects.create(customer=pinned, billing_profile=new)

    asked = billing_admin.post(verb_url(new, "make-default"), {"reason": "All new customers"}).content.decode()
    assert "Follow “Enterprise” from their next invoice on</dt><dd>1 customer without a pin" in asked
    assert "Pinned to “Default”, so that nothing changes</dt><dd>1 customer without a pin" in asked
    assert re.findall(r'ch-differs"><td>(.*?)</td>', asked) == ["Billing app", "Due after"]
    assert BillingProfile.objects.get(is_default=True) == old
    response = billing_admin.do(new, "make-default", reason="All new customers pay by transfer")

    assert said(response) == ["“Enterprise” is the default profile now. 1 customer was pinned to the old default."]
    assert BillingProfile.objects.get(is_default=True) == new
    pins = {override.customer.name: override.billing_profile for override in CustomerOverride.objects.all()}
    assert pins == {live.name: old, "Pinned": new}
    assert AuditEntry.objects.get(verb="billingprofile.made_default").reason == "All new customers pay by transfer"


def test_another_default_on_the_same_app_pins_nobody(db):
    make_default_profile()
    make_subscriber(make_excess_plan())
    new = enterprise()
    assert switch_default(profile=new, reason="Longer terms") == 0
    assert switch_default(profile=new, reason="Longer terms") == 0
    assert CustomerOverride.objects.count() == 0
    assert AuditEntry.objects.filter(verb="billingprofile.made_default").count() == 1


def test_another_default_pins_live_customers_who_would_change_the_supplier(db):
    old = make_default_profile()
    live = make_subscriber(make_excess_plan())
    make_customer(key="idle", name="Idle")
    elsewhere = Supplier.objects.create(key="kk", name="K.K.", invoice_prefix="KK", credit_note_prefix="KC")
    assert switch_default(profile=enterprise(supplier=elsewhere), reason="Japan takes over") == 1
    pins = {override.customer.name: override.billing_profile for override in CustomerOverride.objects.all()}
    assert pins == {live.name: old}


def test_an_override_that_says_something_else_keeps_it_when_pinned(db):
    make_default_profile()
    customer = make_subscriber(make_excess_plan())
    CustomerOverride.objects.create(customer=customer, due_after="P60D")
    switch_default(profile=enterprise(app=bank()), reason="Transfer")
    override = CustomerOverride.objects.get()
    assert (override.billing_profile.name, override.due_after) == ("Default", "P60D")


def test_the_default_is_neither_archived_nor_deleted(billing_admin):
    profile = make_default_profile()
    assert said(billing_admin.do(profile, "archive", reason="Old")) == ["The default profile can't be archived."]
    delete = reverse("admin:customers_billingprofile_delete", args=[profile.pk])
    assert billing_admin.post(delete, {"post": "yes"}).status_code == 403


def test_an_archived_profile_can_not_become_the_default_until_it_is_restored(billing_admin):
    profile = enterprise()
    billing_admin.do(profile, "archive", reason="Old contracts")
    assert "It is archived: use it again first." in said(billing_admin.do(profile, "make-default", reason="x"))
    billing_admin.do(profile, "restore", reason="Needed again")
    profile.refresh_from_db()
    assert profile.archived_at is None
    assert "Needed again" in billing_admin.read(page_url(profile))


def test_a_profile_that_customers_are_pinned_to_is_not_deleted(billing_admin):
    profile = enterprise()
    CustomerOverride.objects.create(customer=make_customer(), billing_profile=profile)
    delete = reverse("admin:customers_billingprofile_delete", args=[profile.pk])
    assert billing_admin.post(delete, {"post": "yes"}).status_code == 403
    CustomerOverride.objects.all().delete()
    assert billing_admin.post(delete, {"post": "yes"}).status_code == 302
    assert AuditEntry.objects.get(verb="billingprofile.deleted").sentence == (
        "Admin deleted billing profile Enterprise."
    )


def test_an_app_that_needs_an_account_is_not_installed_by_form(billing_admin):
    url = reverse("admin:customers_billingapp_add")
    page = billing_admin.post(url, {"type": "stripe", "name": "Stripe", "description": "", "change_reason": ""})
    assert "not one of the available choices" in page.content.decode()
    billing_admin.post(url, {"type": "bank_transfer", "name": "Bank", "description": "", "change_reason": ""})
    assert BillingApp.objects.get(type="bank_transfer").name == "Bank"
    assert not BillingApp.objects.filter(type="stripe").exists()


def test_a_profile_is_not_put_on_an_uninstalled_app(billing_admin):
    gone = BillingApp.objects.create(type="bank_transfer", name="Gone", deleted_at="2026-01-01T00:00Z")
    page = billing_admin.post(reverse("admin:customers_billingprofile_add"), form(app=str(gone.pk)))
    assert "not one of the available choices" in page.content.decode()
    assert BillingProfile.objects.count() == 1
