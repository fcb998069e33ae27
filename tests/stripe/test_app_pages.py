"""Billing apps at the finance desk: installed with keys that are never shown again, checked, rotated, uninstalled."""

import pytest

from core.audit.models import AuditEntry
from core.crypto import decrypt
from core.ids import to_text
from customers.models import BillingApp
from invoicing.models import Payment, StripeAccount
from tests.admin.test_lists import queries
from tests.support.charges import KEY, collect, issued
from tests.support.customers import make_default_profile
from tests.support.desk import Desk, list_url, page_url, said, verb_url

pytestmark = pytest.mark.django_db(transaction=True)

INSTALL_URL = "/admin/customers/billingapp/install-stripe/"
OTHER_KEY = "sk_test_9876543210fedcbaABC"


@pytest.fixture
def admin(db):
    return Desk("Billing admin")


def install(desk, **answers):
    values = {"name": "Stripe EU", "description": "", "api_key": KEY, "webhook_secret": "whsec_1"} | answers
    return desk.post(INSTALL_URL, values, follow=True)


def test_an_account_is_installed_and_its_keys_are_never_shown_again(admin, fake):
    response = install(admin)
    app = BillingApp.objects.get(type="stripe")
    assert said(response) == ["Stripe EU is installed. Add its webhook address at Stripe, as shown below."]
    page = response.content.decode()
    for words in (
        "acct_fake",
        "sk_test_<wbr>************XYZ",
        f"/api/v1/apps/{to_text(app.pk)}/stripe/webhook",
        "It can charge",
    ):
        assert words in page, words
    everything = page + admin.read(verb_url(app, "replace-api-key")) + admin.read(list_url(BillingApp))
    everything += admin.read(f"/admin/customers/billingapp/{app.pk}/edit/")
    assert KEY not in everything
    assert "whsec_1" not in everything
    account = StripeAccount.objects.get()
    assert (decrypt(account.api_key), decrypt(account.webhook_secret)) == (KEY, "whsec_1")
    trail = [entry.sentence + entry.reason + str(entry.changes) for entry in AuditEntry.objects.all()]
    assert [line for line in trail if KEY in line or "whsec_1" in line] == []


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("pk_test_0123456789abcdefXYZ", "Give a secret key of Stripe"),
        ("sk_live_0123456789abcdefXYZ", "This is a live key, and this site runs in test mode"),
        ("nonsense", "Give a secret key of Stripe"),
    ],
)
def test_a_key_that_cant_be_used_is_refused_and_not_shown_in_the_form_that_comes_back(admin, fake, key, says):
    page = install(admin, api_key=key).content.decode()
    assert says in page
    assert "Nothing was changed." in page
    assert key not in page
    assert "whsec_1" not in page
    assert "Paste it again: a secret is not kept in the form." in page
    assert not BillingApp.objects.filter(type="stripe").exists()


def test_a_key_that_stripe_does_not_accept_installs_nothing(admin, fake):
    fake.refuse_key = True
    refused = "Stripe does not accept this API key: Invalid API Key provided. Nothing was changed."
    assert refused in install(admin).content.decode()
    assert not StripeAccount.objects.exists()


def test_a_key_is_replaced_by_one_of_the_same_account_only(admin, app, fake):
    BillingApp.objects.filter(pk=app.pk).update(status="unauthorized")
    assert "Stripe refused its API key." in admin.read(page_url(app))
    response = admin.do(app, "replace-api-key", api_key=OTHER_KEY, reason="Leaked")
    assert said(response)[0].startswith("Stripe EU has a new API key, which Stripe accepts.")
    app.refresh_from_db()
    assert (app.status, decrypt(StripeAccount.objects.get().api_key)) == ("ready", OTHER_KEY)
    assert AuditEntry.objects.get(verb="update_app").reason == "Leaked"
    fake.account = "acct_other"
    response = admin.do(app, "replace-api-key", api_key=KEY, reason="")
    assert "belongs to another Stripe account" in said(response)[0]
    assert decrypt(StripeAccount.objects.get().api_key) == OTHER_KEY


def test_a_webhook_secret_is_set_later(admin, fake):
    install(admin, webhook_secret="")
    app = BillingApp.objects.get(type="stripe")
    assert "No webhook secret" in admin.read(page_url(app))
    admin.do(app, "replace-webhook-secret", webhook_secret="whsec_2", reason="")
    page = admin.read(page_url(app))
    assert "No webhook came yet." in page
    assert decrypt(StripeAccount.objects.get().webhook_secret) == "whsec_2"


def test_an_app_that_is_needed_is_not_uninstalled(admin, app):
    make_default_profile(app=app)
    assert "Profiles use it (1)" in said(admin.do(app, "uninstall", reason="Not needed"))[0]
    app.refresh_from_db()
    assert app.deleted_at is None


def test_an_unneeded_app_is_uninstalled_and_can_not_be_edited_any_more(admin, app):
    assert said(admin.do(app, "uninstall", reason="Test account")) == ["Stripe EU is uninstalled."]
    app.refresh_from_db()
    assert app.deleted_at is not None
    page = admin.read(page_url(app))
    assert "Uninstalled" in page
    assert admin.get(f"/admin/customers/billingapp/{app.pk}/edit/").content.decode().count('name="name"') == 0


@pytest.mark.parametrize("role", ["Finance clerk", "Finance approver", "Auditor"])
def test_only_a_billing_admin_touches_keys(app, role):
    desk = Desk(role)
    assert desk.post(INSTALL_URL, {"name": "X", "api_key": KEY}).status_code == 403
    for verb, answers in (("replace-api-key", {"api_key": OTHER_KEY}), ("uninstall", {"reason": "x"})):
        assert desk.post(verb_url(app, verb), answers).status_code == 403
    assert decrypt(StripeAccount.objects.get().api_key) == KEY
    assert "acct_fake" in desk.read(page_url(app))


def test_a_bank_transfer_app_is_added_and_renamed_with_a_reason(admin):
    form = {"type": "bank_transfer", "name": "Bank", "description": "", "change_reason": "New account"}
    admin.post("/admin/customers/billingapp/add/", form)
    app = BillingApp.objects.get(name="Bank")
    admin.post(f"/admin/customers/billingapp/{app.pk}/edit/", form | {"name": "Main bank"})
    app.refresh_from_db()
    assert (app.name, app.type) == ("Main bank", "bank_transfer")
    assert [entry.reason for entry in AuditEntry.objects.order_by("at")] == ["New account", "New account"]


def test_the_list_asks_no_more_for_thirty_apps_than_for_three(admin):
    for number in range(3):
        BillingApp.objects.create(type="bank_transfer", name=f"Bank {number}")
    few = queries(admin, list_url(BillingApp))
    for number in range(3, 30):
        BillingApp.objects.create(type="bank_transfer", name=f"Bank {number}")
    assert queries(admin, list_url(BillingApp)) == few


def test_the_page_names_every_event_that_something_comes_of_and_what_is_unpaid(admin, app, fake):
    page = admin.read(page_url(app))
    for kind in ("payment_intent.canceled", "charge.refunded", "refund.failed", "charge.dispute.funds_withdrawn"):
        assert f'<span class="ch-code">{kind}</span>' in page, kind
    assert "<dt>Unpaid</dt><dd>nothing</dd>" in page
    issued(app, fake)
    unpaid = admin.read(page_url(app)).split("<dt>Unpaid</dt>")[1]
    assert '50.00 <span class="ch-currency">EUR</span></span>' in unpaid
    assert "on 1 invoice</span>" in unpaid


def test_charges_without_an_outcome_are_linked_and_other_apps_say_how_they_work(admin, app, fake):
    issued(app, fake, "drop")
    collect()
    page = admin.read(page_url(app))
    assert f'<a class="ch-link" href="{list_url(Payment)}?state=open&amp;app__id__exact={app.pk}">1</a>' in page
    assert "INV-000001" in admin.read(f"{list_url(Payment)}?state=open&app__id__exact={app.pk}")
    bank = BillingApp.objects.create(type="bank_transfer", name="Bank")
    assert "Customers pay by themselves" in admin.read(page_url(bank))
    sandbox = BillingApp.objects.create(type="sandbox", name="Sandbox")
    assert "It moves no money" in admin.read(page_url(sandbox))
