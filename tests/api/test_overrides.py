"""Pins and single overrides over REST: who is billed by which profile, and by which settings."""

from contextlib import contextmanager

import pytest

from core import clock
from core.audit.models import AuditEntry
from core.ids import to_text
from customers.models import BillingApp, CustomerOverride, Supplier
from customers.services.archive_profile import archive_profile
from invoicing.gateways import GATEWAYS, CheckProblem, PaymentMethodCheck
from invoicing.profile_moves import pin_customer as override_billing
from invoicing.profile_moves.make_default_profile import make_default_profile as make_another_default
from tests.support.api import data, fields_at_fault, refused
from tests.support.catalog import make_excess_plan
from tests.support.clock import at
from tests.support.closing import START, make_draft, make_issued, make_subscriber, run_close
from tests.support.customers import enterprise, make_customer, make_default_profile

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _default_profile(db):
    make_default_profile()


@pytest.fixture
def acme(db):
    return make_customer()


def url(customer):
    return f"/billing/customers/{to_text(customer.pk)}"


def pin(api, customer, profile, **body):
    return data(api.put(url(customer), {"billingProfileId": to_text(profile.pk), **body}))


class TestPinning:
    def test_a_customer_is_pinned_and_unpinned(self, api, acme):
        profile = enterprise(due_after="P45D")
        shown = pin(api, acme, profile)
        assert shown["customerOverride"]["billingProfileId"] == shown["baseBillingProfileId"] == to_text(profile.pk)
        assert shown["customerOverride"]["customerId"] == to_text(acme.pk)
        effective = shown["customerProfile"]
        assert effective["workflow"]["invoicing"]["dueAfter"] == "P45D"
        assert effective["origins"]["invoicing.dueAfter"] == "pin: Enterprise"
        assert effective["supplier"]["name"] == "My company"
        assert list(effective["apps"]["payment"]) == ["id"]
        assert data(api.get(url(acme))) == shown

        data(api.delete(url(acme)), 204)
        shown = data(api.get(url(acme)))
        assert "customerOverride" not in shown
        assert shown["customerProfile"]["origins"]["invoicing.dueAfter"] == "default profile"
        refused(api.delete(url(acme)), 404)

    def test_without_a_profile_the_default_is_followed(self, api, acme):
        pin(api, acme, enterprise())
        shown = data(api.put(url(acme), {}))
        assert "billingProfileId" not in shown["customerOverride"]
        assert shown["baseBillingProfileId"] == to_text(make_default_profile().pk)

    def test_pinning_again_changes_nothing(self, api, acme):
        profile = enterprise()
        first = pin(api, acme, profile)
        assert pin(api, acme, profile) == first
        assert AuditEntry.objects.filter(verb="customer.pinned").count() == 1

    def test_what_can_not_be_is_refused(self, api, acme):
        profile = enterprise()
        archive_profile(profile=profile, reason="Old")
        problem = refused(api.put(url(acme), {"billingProfileId": to_text(profile.pk)}), 412)
        assert "is archived. Acme stays where it is" in problem["detail"]
        unknown = {"billingProfileId": "01G65Z755AFWAKHE12NY0CQ9FH"}
        assert fields_at_fault(api.put(url(acme), unknown)) == {"billingProfileId": "unknown_profile"}
        assert fields_at_fault(api.put(url(acme), {"billingProfileId": "soon"})) == {"billingProfileId": "invalid"}
        refused(api.put("/billing/customers/01G65Z755AFWAKHE12NY0CQ9FH", {}), 404)
        assert not CustomerOverride.objects.exists()

    def test_a_draft_keeps_its_terms_and_the_gathering_invoice_shows_the_new_ones(self, api):
        draft = make_draft()
        customer = draft.customer
        pin(api, customer, enterprise(due_after="P45D"))
        kept = data(api.get(f"/billing/invoices/{to_text(draft.pk)}"))
        assert kept["workflow"]["workflow"]["invoicing"]["dueAfter"] == "P30D"
        [gathering] = data(api.get("/billing/invoices?statuses=gathering"))["items"]
        assert gathering["workflow"]["workflow"]["invoicing"]["dueAfter"] == "P45D"


class TestOwnFields:
    def test_single_fields_go_before_the_profile(self, api, acme):
        own = {"invoicing": {"dueAfter": "P60D"}, "payment": {"dunningDays": [2]}, "tax": {"enabled": False}}
        shown = pin(api, acme, enterprise(due_after="P45D", draft_period="P1D"), workflow=own)
        assert shown["customerOverride"]["workflow"] == own
        effective = shown["customerProfile"]
        assert effective["workflow"]["invoicing"]["dueAfter"] == "P60D"
        assert effective["workflow"]["invoicing"]["draftPeriod"] == "P1D"
        assert effective["workflow"]["tax"] == {"enabled": False, "enforced": False}
        assert effective["origins"]["invoicing.dueAfter"] == "override"
        assert effective["origins"]["invoicing.draftPeriod"] == "pin: Enterprise"
        assert effective["origins"]["payment.dunningDays"] == "override"

    def test_a_client_that_knows_only_pins_leaves_them_and_an_empty_workflow_clears_them(self, api, acme):
        profile = enterprise()
        pin(api, acme, profile, workflow={"invoicing": {"dueAfter": "P60D"}})
        assert pin(api, acme, profile)["customerProfile"]["workflow"]["invoicing"]["dueAfter"] == "P60D"
        cleared = pin(api, acme, profile, workflow={})
        assert "workflow" not in cleared["customerOverride"]
        assert cleared["customerProfile"]["workflow"]["invoicing"]["dueAfter"] == "P45D"

    def test_bad_fields_are_named_and_nothing_is_stored(self, api, acme):
        sent = {"billingProfileId": to_text(enterprise().pk), "workflow": {"payment": {"dunningDays": [5, 2]}}}
        assert fields_at_fault(api.put(url(acme), sent)) == {"workflow.payment.dunningDays": "bad_days"}
        assert not CustomerOverride.objects.exists()

    def test_the_change_is_told(self, api, acme):
        data(api.put(url(acme), {"workflow": {"invoicing": {"dueAfter": "P60D"}}}))
        entry = AuditEntry.objects.get(verb="customer.overridden")
        assert entry.sentence == "API key Tests changed what Acme has of their own (due after: 60 days)."
        assert entry.changes == {"due_after": [None, "P60D"]}


class CardApp:
    """Stands for an app outside: it knows one customer with a card, one without, and answers no more."""

    is_local = False

    @contextmanager
    def checking(self, app):
        yield self.check

    def check(self, known):
        if known.external_id is None:
            return PaymentMethodCheck(CheckProblem.NO_CUSTOMER_ID)
        if known.external_id == "cus_timeout":
            raise TimeoutError
        return PaymentMethodCheck(CheckProblem.NO_PAYMENT_METHOD if known.external_id == "cus_cardless" else None)


class TestMoves:
    """Whoever changes the profile of a customer with live business passes the checks of a move."""

    @pytest.fixture
    def cards(self, monkeypatch):
        monkeypatch.setitem(GATEWAYS, "stripe", CardApp())
        return enterprise(name="Cards", app=BillingApp.objects.create(type="stripe", name="Cards"))

    @pytest.mark.parametrize(
        ("known_as", "code", "said"),
        [
            (None, "no_customer_id", "No customer id at “Cards” is known"),
            ("cus_cardless", "no_payment_method", "No valid default payment method at “Cards”"),
            ("cus_timeout", "app_unreachable", "Cards gave no answer (TimeoutError)"),
        ],
    )
    def test_an_app_that_could_not_collect_refuses_the_move(self, api, cards, known_as, code, said):
        customer = make_subscriber(make_excess_plan())
        if known_as:
            customer.app_data.create(app=cards.app, external_id=known_as)
        problem = refused(api.put(url(customer), {"billingProfileId": to_text(cards.pk)}), 412)
        assert said in problem["detail"]
        assert [e["code"] for e in problem["extensions"]["validationErrors"]] == [code]
        assert not CustomerOverride.objects.exists()

    def test_one_that_could_takes_the_customer(self, api, cards):
        customer = make_subscriber(make_excess_plan())
        customer.app_data.create(app=cards.app, external_id="cus_1")
        assert pin(api, customer, cards)["baseBillingProfileId"] == to_text(cards.pk)

    def test_who_has_no_live_subscription_has_nothing_to_collect_yet(self, api, cards, acme):
        assert pin(api, acme, cards)["baseBillingProfileId"] == to_text(cards.pk)

    def test_where_invoices_are_sent_no_card_is_needed(self, api, cards):
        customer = make_subscriber(make_excess_plan())
        cards.collection_method = "send_invoice"
        cards.save()
        assert pin(api, customer, cards)["baseBillingProfileId"] == to_text(cards.pk)

    def test_another_supplier_waits_for_periods_billed_in_advance(self, api):
        invoice = make_issued()
        other = Supplier.objects.create(name="Other", invoice_prefix="OTH", credit_note_prefix="OTHCN")
        profile = enterprise(supplier=other)
        with clock.frozen_at(at("2026-04-01")):
            problem = refused(api.put(url(invoice.customer), {"billingProfileId": to_text(profile.pk)}), 412)
        assert "Billed in advance by My company until 17 April 2026 00:00 UTC" in problem["detail"]
        with clock.frozen_at(at("2026-04-17")):
            pin(api, invoice.customer, profile)

    def test_unpinning_is_a_move_too(self, api):
        other = Supplier.objects.create(name="Other", invoice_prefix="OTH", credit_note_prefix="OTHCN")
        profile = enterprise(supplier=other)
        customer = make_subscriber(make_excess_plan())
        pin(api, customer, profile)
        run_close()
        with clock.frozen_at(START):
            for refusal in (api.delete(url(customer)), api.put(url(customer), {})):
                assert "stays on “Enterprise” and was not moved to “Default”" in refused(refusal, 412)["detail"]
        assert CustomerOverride.objects.get().billing_profile == profile

    def test_who_unpins_while_the_default_is_switched_is_asked_to_try_again(self, api, cards, monkeypatch):
        """Not the app of the new default was asked, so nobody knows whether it could collect."""
        customer = make_subscriber(make_excess_plan())
        pin(api, customer, enterprise())
        ask = override_billing._ask

        def ask_and_be_overtaken(*args):
            answers = ask(*args)
            make_another_default(profile=cards, reason="In between")
            return answers

        monkeypatch.setattr(override_billing, "_ask", ask_and_be_overtaken)
        problem = refused(api.put(url(customer), {}), 409)
        assert problem["detail"] == (
            "“Default” was the default profile a moment ago, and is not any more. Nothing was changed: try again."
        )
        assert CustomerOverride.objects.get().billing_profile.name == "Enterprise"
        monkeypatch.setattr(override_billing, "_ask", ask)
        assert "No customer id at “Cards” is known" in refused(api.delete(url(customer)), 412)["detail"]

    def test_a_profile_that_is_archived_meanwhile_takes_nobody(self, api, acme, monkeypatch):
        profile, ask = enterprise(), override_billing._ask

        def ask_and_be_overtaken(*args):
            archive_profile(profile=profile, reason="Old")
            return ask(*args)

        monkeypatch.setattr(override_billing, "_ask", ask_and_be_overtaken)
        problem = refused(api.put(url(acme), {"billingProfileId": to_text(profile.pk)}), 412)
        assert "is archived. Acme stays where it is" in problem["detail"]
        assert not CustomerOverride.objects.exists()

    def test_who_is_moved_away_while_they_are_pinned_to_where_they_are_is_not_taken_back_unasked(
        self, api, cards, monkeypatch
    ):
        """Nothing was to be asked, since they were there already; a moment later they are not, and have lost their
        card."""
        customer = make_subscriber(make_excess_plan())
        customer.app_data.create(app=cards.app, external_id="cus_1")
        pin(api, customer, cards)
        ask = override_billing._ask

        def ask_and_be_overtaken(*args):
            answers = ask(*args)
            CustomerOverride.objects.update(billing_profile=enterprise())
            customer.app_data.update(external_id="cus_cardless")
            return answers

        monkeypatch.setattr(override_billing, "_ask", ask_and_be_overtaken)
        problem = refused(api.put(url(customer), {"billingProfileId": to_text(cards.pk)}), 409)
        assert problem["detail"] == (
            "Acme was moved or subscribed a moment ago, and “Cards” was not asked about them. Nothing was changed: try "
            "again."
        )
        assert CustomerOverride.objects.get().billing_profile.name == "Enterprise"
        monkeypatch.setattr(override_billing, "_ask", ask)
        refused(api.put(url(customer), {"billingProfileId": to_text(cards.pk)}), 412)


class TestListing:
    @pytest.fixture
    def four(self):
        """Acme is pinned, Bolt has something of their own, Cord is pinned to the default, Dune has nothing."""
        profile = enterprise()
        customers = {name: make_customer(key=name.lower(), name=name) for name in ("Acme", "Bolt", "Cord", "Dune")}
        CustomerOverride.objects.create(customer=customers["Acme"], billing_profile=profile)
        CustomerOverride.objects.create(customer=customers["Bolt"], due_after="P60D")
        CustomerOverride.objects.create(customer=customers["Cord"], billing_profile=make_default_profile())
        return customers

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ("", "Acme Bolt Cord"),
            ("includeAllCustomers=true", "Acme Bolt Cord Dune"),
            ("customersWithoutPinnedProfile=true", "Bolt Dune"),
            ("billingProfile=ENTERPRISE", "Acme"),
            ("billingProfile=ENTERPRISE&includeAllCustomers=true", "Acme"),
            ("billingProfile=DEFAULT", "Cord"),
            ("billingProfile=DEFAULT&includeAllCustomers=true", "Bolt Cord Dune"),
            ("billingProfile=DEFAULT&billingProfile=ENTERPRISE", "Acme Cord"),
            ("billingProfile=DEFAULT&customersWithoutPinnedProfile=true", "Bolt Dune"),
            ("includeAllCustomers=true&customerName=UN", "Dune"),
            ("includeAllCustomers=true&customerKey=OL", "Bolt"),
            ("includeAllCustomers=true&customerPrimaryEmail=acme.example", "Acme Bolt Cord Dune"),
            ("includeAllCustomers=true&customerId=DUNE&customerId=ACME", "Acme Dune"),
            ("includeAllCustomers=true&customerId=01G65Z755AFWAKHE12NY0CQ9FH", ""),
            ("includeAllCustomers=true&order=DESC", "Dune Cord Bolt Acme"),
        ],
    )
    def test_filters(self, api, four, query, names):
        known = {name.upper(): to_text(customer.pk) for name, customer in four.items()}
        known |= {"DEFAULT": to_text(make_default_profile().pk)}
        known["ENTERPRISE"] = to_text(CustomerOverride.objects.get(customer=four["Acme"]).billing_profile_id)
        for word, identity in known.items():
            query = query.replace(f"={word}", f"={identity}")
        page = data(api.get(f"/billing/customers?orderBy=customerName&expand=customer&{query}"))
        assert " ".join(item["customer"]["name"] for item in page["items"]) == names
        assert page["totalCount"] == len(names.split())

    def test_what_can_not_be_read_is_named(self, api):
        assert fields_at_fault(api.get("/billing/customers?orderBy=shoeSize")) == {"orderBy": "invalid"}
        assert fields_at_fault(api.get("/billing/customers?billingProfile=x")) == {"billingProfile": "invalid"}

    @pytest.mark.parametrize("count", [3, 30])
    def test_the_number_of_queries_does_not_depend_on_the_number_of_rows(self, api, count, django_assert_num_queries):
        profile = enterprise()
        for number in range(count):
            customer = make_customer(key=f"c{number}", name=f"Customer {number}")
            CustomerOverride.objects.create(customer=customer, billing_profile=profile, due_after="P7D")
        api.get("/billing/customers")
        with django_assert_num_queries(7):
            assert data(api.get("/billing/customers?expand=customer&expand=apps"))["totalCount"] == count
