"""`/apps` and what apps know of customers: installed, shown without secrets, refused, uninstalled."""

import pytest

from core.ids import to_text
from customers.models import BillingApp, CustomerAppData
from tests.api.client import Api, data, fields_at_fault, refused
from tests.make import make_customer, make_default_profile
from tests.stripe.desk import KEY

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
    assert "1 profiles" in refused(api.delete(f"/apps/{to_text(app.pk)}"), 409)["detail"]
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
