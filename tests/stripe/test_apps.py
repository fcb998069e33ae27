"""`/apps` and what apps know of customers: installed, shown without secrets, refused, uninstalled."""

import pytest

from core.ids import to_text
from customers.models import BillingApp, CustomerAppData, CustomerOverride
from customers.services.archive_profile import archive_profile
from invoicing.gateways import PaymentMethodCheck
from invoicing.profile_moves.ask_app import ask_app
from invoicing.profile_moves.make_default_profile import make_default_profile as make_another_default
from tests.support.api import Api, data, fields_at_fault, refused
from tests.support.charges import KEY
from tests.support.closing import make_issued
from tests.support.customers import enterprise, make_customer, make_default_profile

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(db):
    return Api()


def test_a_stripe_app_is_installed_and_its_secrets_are_never_shown(api, fake):
    body = {"type": "stripe", "name": "Stripe EU", "secretAPIKey": KEY, "webhookSecret": "whsec_1"}
    made = data(api.post("/apps", body), 201)
    assert (made["type"], made["status"], made["stripeAccountId"]) == ("stripe", "ready", "acct_fake")
    assert (made["livemode"], made["maskedAPIKey"]) == (False, "sk_test_************XYZ")
    for path in ("/apps", f"/apps/{made['id']}"):
        answer = api.get(path).content.decode()
        assert KEY not in answer
        assert "whsec_1" not in answer
    data(api.put(f"/apps/{made['id']}/stripe/api-key", {"secretAPIKey": "sk_test_a_newer_key_of_it"}), 204)
    changed = data(api.put(f"/apps/{made['id']}", {"type": "stripe", "name": "Stripe Europe"}))
    assert (changed["name"], changed["maskedAPIKey"]) == ("Stripe Europe", "sk_test_************_it")


def test_a_bank_transfer_app_is_installed_and_uninstalled(api):
    made = data(api.post("/apps", {"type": "bank_transfer", "name": "Bank"}), 201)
    assert made["listing"]["type"] == "bank_transfer"
    data(api.delete(f"/apps/{made['id']}"), 204)
    refused(api.get(f"/apps/{made['id']}"), 404)


def test_an_app_that_a_profile_needs_stays(api):
    app = make_default_profile().app
    assert "1 profile," in refused(api.delete(f"/apps/{to_text(app.pk)}"), 409)["detail"]
    assert BillingApp.objects.get(pk=app.pk).deleted_at is None


def test_bad_keys_and_types_are_refused(api, fake):
    assert fields_at_fault(api.post("/apps", {"type": "stripe", "name": "S"})) == {"secretAPIKey": "invalid"}
    live = {"type": "stripe", "name": "S", "secretAPIKey": "sk_live_x"}
    assert fields_at_fault(api.post("/apps", live)) == {"secretAPIKey": "bad_api_key"}
    assert "type" in fields_at_fault(api.post("/apps", {"type": "paypal", "name": "P"}))
    fake.refuse_key = True
    refused(api.post("/apps", {"type": "stripe", "name": "S", "secretAPIKey": KEY}), 412)
    assert not BillingApp.objects.filter(type="stripe").exists()


def test_a_customer_s_stripe_id_is_checked_at_stripe_and_kept(api, app, fake):
    make_default_profile(app=app)
    make_customer()
    refused(api.get("/customers/acme/stripe"), 404)
    fake.add_customer("cus_1")
    shown = data(api.put("/customers/acme/stripe", {"stripeCustomerId": "cus_1"}))
    assert (shown["type"], shown["stripeCustomerId"], shown["id"]) == ("stripe", "cus_1", to_text(app.pk))
    assert data(api.get("/customers/acme/stripe")) == shown
    with_method = {"stripeCustomerId": "cus_1", "stripeDefaultPaymentMethodId": "pm_1"}
    assert data(api.put("/customers/acme/stripe", with_method))["stripeDefaultPaymentMethodId"] == "pm_1"
    assert data(api.get("/customers/acme/apps"))["totalCount"] == 1


def test_a_stripe_id_that_does_not_exist_or_is_another_customer_s_is_refused(api, app, fake):
    make_default_profile(app=app)
    make_customer()
    make_customer(key="globex", name="Globex")
    fake.add_customer("cus_1")
    data(api.put("/customers/globex/stripe", {"stripeCustomerId": "cus_1"}))
    assert "Globex" in refused(api.put("/customers/acme/stripe", {"stripeCustomerId": "cus_1"}), 409)["detail"]
    unknown = api.put("/customers/acme/stripe", {"stripeCustomerId": "cus_2"})
    assert fields_at_fault(unknown) == {"stripeCustomerId": "not_at_stripe"}
    bad = {"stripeCustomerId": "cus_1", "stripeDefaultPaymentMethodId": "pm_x"}
    assert fields_at_fault(api.put("/customers/acme/stripe", bad)) == {"stripeDefaultPaymentMethodId": "not_at_stripe"}
    assert CustomerAppData.objects.count() == 1


class TestAllAppsOfACustomer:
    @pytest.fixture
    def url(self, app, fake):
        make_default_profile()
        make_customer(key="zeta", name="Zeta")
        fake.add_customer("cus_1")
        return "/customers/zeta/apps"

    def test_they_are_set_listed_and_removed(self, api, app, fake, url):
        sent = [{"type": "stripe", "stripeCustomerId": "cus_1"}, {"type": "sandbox"}]
        kept = data(api.put(url, sent))
        assert [row["type"] for row in kept] == ["stripe", "sandbox"]
        assert (kept[0]["id"], kept[0]["stripeCustomerId"], kept[0]["app"]["name"]) == (
            to_text(app.pk),
            "cus_1",
            "Stripe EU",
        )
        assert data(api.put(url, sent)) == kept
        assert {row["type"] for row in data(api.get(url))["items"]} == {"stripe", "sandbox"}
        assert data(api.get(f"{url}?type=sandbox"))["items"] == kept[1:]
        data(api.delete(f"{url}/{to_text(app.pk)}"), 204)
        refused(api.delete(f"{url}/{to_text(app.pk)}"), 404)
        assert data(api.get(url))["items"] == kept[1:]

    def test_all_are_kept_or_none(self, api, app, fake, url):
        for sent, field in (
            ([{"type": "sandbox"}, {"type": "stripe", "stripeCustomerId": "cus_9"}], "stripeCustomerId"),
            ([{"type": "sandbox"}, {"type": "stripe"}], "1.stripeCustomerId"),
            ([{"type": "sandbox"}, {"type": "sandbox"}], "id"),
            ([{"type": "bank_transfer"}], "id"),
            ([{"type": "sandbox", "id": to_text(app.pk)}], "id"),
            ([{"type": "custom_invoicing"}], "0.type"),
        ):
            assert list(fields_at_fault(api.put(url, sent))) == [field]
        refused(api.put(url, {"type": "sandbox"}), 400)
        assert not CustomerAppData.objects.exists()

    def test_what_is_needed_is_not_removed(self, api, app, fake, url):
        sandbox = make_default_profile().app
        invoice = make_issued(app=app)
        fake.add_customer("cus_2")
        there = f"/customers/{to_text(invoice.customer_id)}/apps"
        data(api.put(there, [{"type": "stripe", "stripeCustomerId": "cus_2"}]))
        problem = refused(api.delete(f"{there}/{to_text(app.pk)}"), 409)
        assert "bills their subscriptions" in problem["detail"]
        CustomerOverride.objects.create(customer=invoice.customer, billing_profile=enterprise(app=sandbox))
        problem = refused(api.delete(f"{there}/{to_text(app.pk)}"), 409)
        assert "is still to collect 1 of their invoices" in problem["detail"]
        assert CustomerAppData.objects.count() == 1


class TestWhatIsAskedBeforeAMove:
    """Stripe is asked about the payment method that would really be charged."""

    @pytest.fixture
    def look(self, app, fake):
        def ask(**known):
            customer = make_customer()
            fake.add_customer("cus_1", **known)
            row = CustomerAppData.objects.create(customer=customer, app=app, external_id="cus_1")
            if "told" in self.__dict__:
                row.data = {"defaultPaymentMethodId": self.told}
                row.save()
            return ask_app([customer.pk], app=app)[customer.pk]

        return ask

    def test_a_good_card_is_ready_in_its_customer_s_currency(self, look):
        assert look(currency="eur") == PaymentMethodCheck(currency="EUR", payment_method="pm_1")

    def test_an_expired_card_is_no_valid_payment_method(self, look):
        answer = look(expires=(12, 2020))
        assert answer.problem == "no_payment_method"
        assert answer.message == "The card pm_1 of cus_1 expired in 12/2020."

    def test_the_method_that_we_were_told_to_charge_must_still_be_theirs(self, look, fake):
        self.told = "pm_9"
        fake.add_method("pm_9", customer=None)
        answer = look()
        assert answer.problem == "no_payment_method"
        assert answer.message == "The payment method pm_9 does not belong to cus_1 at Stripe."

    def test_where_stripe_takes_no_more_requests_it_is_asked_again(self, look, fake):
        fake.too_many = 2
        assert look().problem is None

    def test_where_it_gives_no_answer_that_is_the_answer(self, look):
        answer = look(behaviour="silent")
        assert answer.problem == "unreachable"
        assert answer.message.startswith("Stripe could not be asked: ")


def test_an_app_stays_while_an_unpaid_invoice_is_collected_through_it(api):
    """Its profile is archived, so nothing new comes to it."""
    invoice = make_issued(collection_method="send_invoice")
    other = enterprise(app=BillingApp.objects.create(type="bank_transfer", name="Bank"))
    make_another_default(profile=other, reason="New ones")
    archive_profile(profile=invoice.profile, reason="Old")
    problem = refused(api.delete(f"/apps/{to_text(invoice.app_id)}"), 409)
    assert "needed by 0 profiles, 0 drafts and 1 unpaid invoice." in problem["detail"]
