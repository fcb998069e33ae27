"""What is refused around profiles, moves and money leaves every table as it was."""

import json
import time
from contextlib import contextmanager

import pytest
from django.apps import apps
from django.db import connection

from core import clock
from core.errors import Conflict, InvalidInput
from core.ids import to_text
from customers.errors import ProfileArchived
from customers.models import BillingApp, BillingProfile
from customers.services.archive_profile import archive_profile
from customers.services.record_pin import record_pin
from invoicing.bank_statements.import_statement import import_statement
from invoicing.payments.connect_stripe import install_stripe
from invoicing.payments.handle_stripe_event import handle_stripe_event
from invoicing.payments.set_stripe_customer import set_stripe_customer
from invoicing.profile_moves.draft_migration import draft_migration
from tests.support.api import data, fields_at_fault, refused
from tests.support.catalog import make_excess_plan
from tests.support.closing import START, make_subscriber
from tests.support.customers import enterprise, make_customer, make_default_profile
from tests.support.fake_stripe import signature

pytestmark = pytest.mark.django_db

# When a key was last used, and the answers that are kept for repeats, are no business of billing.
NOT_COUNTED = {"access_apikey", "access_idempotentresponse", "django_session"}

HEADER = b"date,amount,currency,reference,payer,transaction_id\n"


def contents():
    """Every table with the number of its rows and what they hold."""
    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            table = model._meta.db_table
            if model._meta.managed and table not in NOT_COUNTED:
                cursor.execute(f'SELECT count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM "{table}" t')
                found[table] = cursor.fetchone()
    return found


@contextmanager
def nothing_changes():
    before = contents()
    yield
    assert contents() == before


@pytest.fixture(autouse=True)
def _default(db):
    make_default_profile()
    with clock.frozen_at(START):
        yield


@pytest.fixture
def stripe_app(fake):
    return install_stripe(name="Stripe EU", api_key="sk_test_0123456789abcdefXYZ", webhook_secret="whsec_1")


def body(**changes):
    app = to_text(BillingApp.objects.get(type="sandbox").pk)
    whole = {"name": "Enterprise", "supplier": {"name": "Acme GmbH"}, "default": False, "workflow": {}}
    return whole | {"apps": dict.fromkeys(("tax", "invoicing", "payment"), app)} | changes


def test_a_difference_would_be_seen():
    with pytest.raises(AssertionError), nothing_changes():
        make_customer()
    with pytest.raises(AssertionError), nothing_changes():
        BillingProfile.objects.update(name="Renamed")


class TestProfiles:
    def test_one_without_a_supplier(self, api):
        without = {name: value for name, value in body().items() if name != "supplier"}
        with nothing_changes():
            assert fields_at_fault(api.post("/billing/profiles", without)) == {"supplier": "required"}
            assert fields_at_fault(api.post("/billing/profiles", body(supplier={}))) == {"supplier.name": "required"}
            unknown = body(supplier={"id": "01G65Z755AFWAKHE12NY0CQ9FH"})
            assert api.post("/billing/profiles", unknown).status_code in (400, 404)

    def test_a_replacement_without_a_supplier(self, api):
        made = data(api.post("/billing/profiles", body()), 201)
        with nothing_changes():
            answer = api.put(f"/billing/profiles/{made['id']}", {"name": "X", "default": False, "workflow": {}})
            assert fields_at_fault(answer) == {"supplier": "required"}


class TestPins:
    def test_an_override_to_an_archived_profile(self, api):
        customer, profile = make_subscriber(make_excess_plan()), enterprise()
        archive_profile(profile=profile, reason="Old")
        url = f"/billing/customers/{to_text(customer.pk)}"
        with nothing_changes():
            problem = refused(api.put(url, {"billingProfileId": to_text(profile.pk), "workflow": {}}), 412)
            assert problem["detail"] == (
                "The profile “Enterprise” is archived. Acme stays where it is: choose another one."
            )
            with pytest.raises(ProfileArchived, match="Acme stays where it is: choose another one"):
                record_pin(customer=customer, profile=profile, reason="By hand")


class TestMoves:
    def test_to_the_same_profile(self, api):
        profile = make_default_profile()
        same = {"fromProfileId": to_text(profile.pk), "toProfileId": to_text(profile.pk)}
        with nothing_changes():
            assert fields_at_fault(api.post("/billing/profile-migrations", same)) == {"toProfileId": "same_profile"}
            with pytest.raises(InvalidInput, match="must lead to another profile"):
                draft_migration(from_profile=profile, to_profile=profile, criteria={})

    def test_to_an_archived_or_unknown_profile_and_of_unknown_customers(self, api):
        source, target = make_default_profile(), enterprise()
        move = {"fromProfileId": to_text(source.pk), "toProfileId": to_text(target.pk)}
        unknown = "01G65Z755AFWAKHE12NY0CQ9FH"
        with nothing_changes():
            answer = api.post("/billing/profile-migrations", move | {"toProfileId": unknown})
            assert fields_at_fault(answer) == {"toProfileId": "unknown_profile"}
            answer = api.post("/billing/profile-migrations", move | {"customers": {"customerId": [unknown]}})
            assert fields_at_fault(answer) == {"customers.customerId": "unknown_customer"}
        archive_profile(profile=target, reason="Old")
        with nothing_changes():
            refused(api.post("/billing/profile-migrations", move), 412)


class TestStripe:
    def test_a_stripe_id_of_another_customer(self, api, stripe_app, fake):
        acme, bolt = make_customer(), make_customer(key="bolt", name="Bolt")
        fake.add_customer("cus_1")
        set_stripe_customer(customer=acme, app=stripe_app, stripe_customer_id="cus_1", payment_method=None)
        with nothing_changes():
            problem = refused(api.put("/customers/bolt/stripe", {"stripeCustomerId": "cus_1"}), 409)
            assert problem["detail"] == "cus_1 is Acme at Stripe EU already. Nothing was changed."
            several = [{"type": "sandbox"}, {"type": "stripe", "stripeCustomerId": "cus_1"}]
            refused(api.put("/customers/bolt/apps", several), 409)
            with pytest.raises(Conflict, match="cus_1 is Acme at Stripe EU already"):
                set_stripe_customer(customer=bolt, app=stripe_app, stripe_customer_id="cus_1", payment_method=None)

    def test_a_webhook_with_a_bad_signature_or_another_app_s(self, client, stripe_app, fake):
        fake.account = "acct_other"
        other = install_stripe(name="Stripe US", api_key="sk_test_of_another_account", webhook_secret="whsec_2")
        told = {"app_id": to_text(stripe_app.pk)}
        ours = {"id": "pi_1", "object": "payment_intent", "status": "succeeded", "metadata": told}
        event = fake.event("payment_intent.succeeded", ours)

        def send(body, *, to, secret, at=None):
            return client.post(
                f"/api/v1/apps/{to_text(to.pk)}/stripe/webhook",
                body,
                content_type="application/json",
                headers={"Stripe-Signature": signature(body, secret, at=at)},
            )

        with nothing_changes():
            said = "The signature is not the one of this app's webhook secret. Nothing was changed."
            assert refused(send(event, to=stripe_app, secret="whsec_wrong"), 400)["detail"] == said
            assert refused(send(event, to=other, secret="whsec_1"), 400)["detail"] == said
            refused(send(event, to=stripe_app, secret="whsec_1", at=int(time.time()) - 3600), 400)
            problem = refused(send(event, to=other, secret="whsec_2"), 400)
            assert problem["detail"] == "The event belongs to another app than Stripe US. Nothing was changed."
            live = json.dumps(json.loads(event) | {"livemode": True}).encode()
            refused(send(live, to=stripe_app, secret="whsec_1"), 400)
            with pytest.raises(InvalidInput, match="The signature is not the one"):
                handle_stripe_event(app=stripe_app, body=event, signature=signature(event, "whsec_wrong"))


class TestStatements:
    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"when,how much\n2026-03-18,50.00\n", "columns"),
            (b"date,amount,currency\n2026-03-18,50.00,EUR\n", "columns"),
            (b"", "."),
            (b"\xff\xfe", "not UTF-8"),
            (b"date,amount,currency,reference,payer,transaction_id\n18.03.2026,50.00,EUR,INV-1,A,T1\n", "no date like"),
            (
                b"date,amount,currency,reference,payer,transaction_id\n2026-03-18,fifty,EUR,INV-1,A,T1\n",
                "no amount like",
            ),
        ],
    )
    def test_a_csv_that_can_not_be_read(self, content, said):
        bank = BillingApp.objects.create(type="bank_transfer", name="Bank")
        with nothing_changes(), pytest.raises(InvalidInput, match=said):
            import_statement(app=bank, file_name="march.csv", content=content)
