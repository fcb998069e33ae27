"""Changing how a customer is billed: every step shows what it does before it does it, and what stays."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core import clock
from core.audit.models import AuditEntry
from customers.models import Customer, CustomerAppData, CustomerOverride, Supplier
from invoicing.models import BalanceEntry
from invoicing.payments.connect_stripe import install_stripe
from tests.support.catalog import make_excess_plan, make_plan
from tests.support.charges import KEY
from tests.support.closing import make_draft, make_subscriber
from tests.support.customers import enterprise, make_customer, make_default_profile
from tests.support.desk import Desk, list_url, page_url, said, verb_url
from tests.support.fake_stripe import FakeStripe, running
from tests.support.moves import MOVE, make_customers

pytestmark = pytest.mark.django_db


@pytest.fixture
def stripe(settings):
    fake = FakeStripe()
    with running(fake) as address:
        settings.STRIPE_API_BASE = address
        yield fake


@pytest.fixture
def cards(stripe):
    return enterprise(name="Cards", app=install_stripe(name="Stripe EU", api_key=KEY, webhook_secret="whsec_1"))


def another_supplier():
    return Supplier.objects.create(name="Other", invoice_prefix="O", credit_note_prefix="OC")


def settings_url(customer):
    return reverse("admin:customers_customer_settings", args=[customer.pk])


def cells(page, start):
    """The cells of the row that starts with this text."""
    for row in re.findall(r"<tr.*?</tr>", page, flags=re.S):
        texts = [re.sub(r"<.*?>", "", cell, flags=re.S).strip() for cell in re.findall(r"<td.*?</td>", row, flags=re.S)]
        if texts and texts[0] == start:
            return texts
    raise AssertionError(f"no row {start}")


def ask(desk, obj, verb, **answers):
    """The page that the answers lead to, before they are confirmed."""
    response = desk.post(verb_url(obj, verb), {"reason": "Contract"} | answers)
    assert response.status_code == 200, said(response)
    return response.content.decode()


def own(**values):
    return {"reason": "Agreed by phone"} | values


class TestPins:
    def test_a_pin_shows_before_and_after_and_what_stays_and_changes_nothing_until_confirmed(self, clerk):
        draft = make_draft()
        assert "See what changes" in clerk.read(verb_url(draft.customer, "pin"))
        page = ask(clerk, draft.customer, "pin", profile=enterprise().pk)
        assert cells(page, "Due after") == ["Due after", "30 days", "45 days", "pin: Enterprise"]
        assert cells(page, "Billing profile")[1:3] == ["Default", "Enterprise"]
        assert page_url(draft) in page
        assert "1 draft stays on “Default”, with its terms." in page
        assert CustomerOverride.objects.count() == 0
        assert 'name="confirmed" value="yes"' in page
        assert 'name="reason" value="Contract"' in page

    def test_a_block_forbids_to_confirm_and_says_why(self, clerk):
        customer = make_subscriber(make_excess_plan())
        other = enterprise(supplier=another_supplier())
        BalanceEntry.objects.create(customer=customer, currency="EUR", amount=5, kind="credit_note")
        page = ask(clerk, customer, "pin", profile=other.pk)
        assert "Acme is blocked, and stays on “Default”." in page
        assert "A balance of 5 EUR is owed by My company" in page
        assert 'aria-disabled="true" tabindex="0" aria-label="Pin to profile: Acme is blocked' in page
        assert ">Pin to profile</button>" not in page
        response = clerk.do(customer, "pin", profile=str(other.pk), reason="Contract")
        assert said(response)[0].startswith("Acme stays on “Default” and was not moved to “Enterprise”.")

    def test_the_answers_are_changed_without_giving_them_all_anew(self, clerk):
        customer, other = make_customer(), enterprise()
        page = ask(clerk, customer, "pin", profile=other.pk)
        assert '<button type="submit" name="again" value="yes" class="ch-button">Answer anew</button>' in page
        page = ask(clerk, customer, "pin", profile=other.pk, confirmed="yes", again="yes")
        assert "See what changes" in page
        assert "Contract</textarea>" in page
        assert f'<option value="{other.pk}" selected>' in page
        chosen = {"action": "pin", "_selected_action": [str(customer.pk)], "profile": str(other.pk), "reason": "Both"}
        page = clerk.post(list_url(Customer), chosen | {"confirmed": "yes", "again": "yes"}).content.decode()
        assert "Both</textarea>" in page
        assert CustomerOverride.objects.count() == 0

    def test_unpinning_shows_what_the_default_says(self, clerk):
        customer, profile = make_customer(), enterprise()
        clerk.do(customer, "pin", profile=str(profile.pk), reason="Contract")
        page = ask(clerk, customer, "unpin")
        assert cells(page, "Due after") == ["Due after", "45 days", "30 days", "default profile"]
        assert said(clerk.do(customer, "unpin", reason="Ended"))[0].startswith(
            "Acme follows the default profile again."
        )

    def test_many_are_shown_with_the_verdict_of_each_before_they_are_pinned(self, clerk):
        make_default_profile()
        customers = make_customers(3, make_plan())
        other = enterprise(supplier=another_supplier())
        BalanceEntry.objects.create(customer=customers[1], currency="EUR", amount=5, kind="credit_note")
        chosen = {"action": "pin", "_selected_action": [str(customer.pk) for customer in customers]}
        answers = {"profile": str(other.pk), "reason": "Contract"}
        with clock.frozen_at(MOVE):
            asked = clerk.post(list_url(Customer), chosen).content.decode()
            assert 'name="answered" value="yes"' in asked
            assert "See what changes" in asked
            page = clerk.post(list_url(Customer), chosen | answers | {"answered": "yes"}).content.decode()
            assert "Pin to profile: 2 of 3 customers?" in page
            assert "2 of 3 customers will be billed by “Enterprise” from the next invoice on" in page
            assert [cells(page, customer.name)[2] for customer in customers] == ["Ready", "Blocked", "Ready"]
            assert CustomerOverride.objects.count() == 0
            result = clerk.post(list_url(Customer), chosen | answers | {"confirmed": "yes"}).content.decode()
        assert "2 of 3 done" in result
        assert cells(result, "Customer 0001")[1] == "Refused"
        assert CustomerOverride.objects.filter(billing_profile=other).count() == 2

    @pytest.mark.parametrize("number", [3, 30])
    def test_showing_many_asks_as_many_queries_for_three_as_for_thirty(self, clerk, number):
        make_default_profile()
        customers = make_customers(number, make_plan())
        chosen = {"action": "pin", "_selected_action": [str(customer.pk) for customer in customers]}
        answers = {"profile": str(enterprise().pk), "reason": "Contract", "answered": "yes"}
        with clock.frozen_at(MOVE), CaptureQueriesContext(connection) as captured:
            clerk.post(list_url(Customer), chosen | answers)
        assert len(captured) <= 36


class TestStripe:
    def test_the_id_is_set_and_the_customer_moved_in_one_step(self, clerk, cards, stripe):
        customer = make_subscriber(make_excess_plan())
        stripe.add_customer("cus_9")
        page = ask(clerk, customer, "pin", profile=cards.pk, stripe_customer_id="cus_9")
        assert cells(page, "Billing app")[1:3] == ["Sandbox", "Stripe EU"]
        assert cells(page, "Customer id at Stripe EU")[1:3] == ["none", "cus_9"]
        assert CustomerAppData.objects.count() == 0
        answers = {"profile": str(cards.pk), "stripe_customer_id": "cus_9", "reason": "Cards"}
        assert said(clerk.do(customer, "pin", **answers)) == [
            "Acme is pinned to “Cards” and is cus_9 at Stripe EU. Open drafts keep their terms."
        ]
        assert CustomerAppData.objects.get().external_id == "cus_9"
        assert AuditEntry.objects.get(verb="set_stripe_customer").reason == "Cards"
        assert CustomerOverride.objects.get().billing_profile == cards

    @pytest.mark.parametrize(
        ("external_id", "message"),
        [
            ("", "no Stripe customer id"),
            ("cus_nobody", "Stripe has no customer cus_nobody"),
            ("cus_taken", "cus_taken is Other at Stripe EU already."),
        ],
    )
    def test_an_id_that_is_missing_unknown_or_another_customer_s_changes_nothing(
        self, clerk, cards, stripe, external_id, message
    ):
        customer = make_subscriber(make_excess_plan())
        stripe.add_customer("cus_taken")
        CustomerAppData.objects.create(
            customer=make_customer(key="other", name="Other"), app=cards.app, external_id="cus_taken"
        )
        answers = {"profile": str(cards.pk), "stripe_customer_id": external_id}
        assert message in ask(clerk, customer, "pin", **answers)
        assert message in said(clerk.do(customer, "pin", reason="Cards", **answers))[0]
        assert CustomerOverride.objects.count() == 0
        assert CustomerAppData.objects.count() == 1

    def test_a_customer_without_a_card_is_neither_known_nor_moved(self, clerk, cards, stripe):
        customer = make_subscriber(make_excess_plan())
        stripe.add_customer("cus_9", method=None)
        answers = {"profile": str(cards.pk), "stripe_customer_id": "cus_9", "reason": "Cards"}
        assert "no default payment method" in said(clerk.do(customer, "pin", **answers))[0]
        assert (CustomerOverride.objects.count(), CustomerAppData.objects.count()) == (0, 0)

    def test_an_id_is_refused_for_a_profile_that_does_not_collect_through_stripe(self, clerk, cards):
        customer = make_subscriber(make_excess_plan())
        page = ask(clerk, customer, "pin", profile=enterprise().pk, stripe_customer_id="cus_9")
        assert "“Sandbox” is no Stripe app and knows no customer ids." in page

    def test_an_id_at_stripe_is_not_typed_in_where_stripe_is_not_asked(self, clerk, cards):
        row = CustomerAppData.objects.create(customer=make_customer(), app=cards.app, external_id="cus_1")
        page = reverse("admin:customers_customerappdata_change", args=[row.pk])
        assert clerk.post(page, {"external_id": "cus_2", "data": "{}", "change_reason": ""}).status_code == 403
        new = {"customer": str(row.customer_id), "app": str(cards.app_id), "external_id": "cus_2", "data": "{}"}
        asked = clerk.post(reverse("admin:customers_customerappdata_add"), new).content.decode()
        assert "not one of the available choices" in asked
        assert list(CustomerAppData.objects.values_list("external_id", flat=True)) == ["cus_1"]

    def test_the_id_alone_is_set_after_stripe_was_asked(self, clerk, cards, stripe):
        customer = make_customer()
        stripe.add_customer("cus_9")
        answers = {"app": str(cards.app_id), "stripe_customer_id": "cus_9", "reason": "New account"}
        assert said(clerk.do(customer, "stripe-customer", **answers)) == ["Acme is cus_9 at Stripe EU."]
        assert "cus_9" in clerk.read(settings_url(customer))
        answers["stripe_customer_id"] = "cus_nobody"
        assert "Stripe has no customer cus_nobody" in said(clerk.do(customer, "stripe-customer", **answers))[0]
        assert CustomerAppData.objects.get().external_id == "cus_9"


class TestSettings:
    def test_every_field_stands_with_its_value_and_origin(self, auditor):
        customer = make_customer()
        CustomerOverride.objects.create(customer=customer, billing_profile=enterprise(), draft_period="P2D")
        page = auditor.read(settings_url(customer))
        assert "arrow_back" in page
        assert cells(page, "Draft period")[:5] == ["Draft period", "2 days", "override", "2 days", "none"]
        assert cells(page, "Due after")[:5] == ["Due after", "45 days", "pin: Enterprise", "–", "45 days"]
        assert len(re.findall(r'<span class="ch-origin', page)) == 19  # 18 settings, and the profile
        assert "Change own settings" not in page

    def test_own_settings_are_shown_before_they_are_saved(self, clerk):
        draft = make_draft()
        customer = draft.customer
        page = ask(clerk, customer, "own-settings", due_after="P60D", auto_advance="yes", dunning_days="none")
        assert cells(page, "Due after") == ["Due after", "30 days", "60 days", "override"]
        assert cells(page, "Retries after a failed charge")[2] == "none"
        assert CustomerOverride.objects.count() == 0
        clerk.do(customer, "own-settings", **own(due_after="P60D", auto_advance="yes", dunning_days="none"))
        override = CustomerOverride.objects.get()
        assert (override.due_after, override.auto_advance, override.dunning_days, override.draft_period) == (
            "P60D",
            True,
            [],
            None,
        )
        entry = AuditEntry.objects.get(verb="customer.overridden")
        assert (entry.reason, entry.changes["due_after"]) == ("Agreed by phone", [None, "P60D"])
        draft.refresh_from_db()
        assert draft.workflow_snapshot["values"]["due_after"] == "P30D"

    def test_a_field_is_cleared_alone_by_its_link(self, clerk):
        make_default_profile()
        customer = make_customer()
        CustomerOverride.objects.create(customer=customer, due_after="P60D", draft_period="P2D", dunning_days=[])
        page = clerk.read(settings_url(customer))
        assert f"{verb_url(customer, 'own-settings')}?due_after=" in page
        form = clerk.read(f"{verb_url(customer, 'own-settings')}?due_after=")
        assert 'name="draft_period" value="2 days"' in form
        assert 'name="due_after" value="60 days"' not in form
        assert 'name="dunning_days" value="none"' in form
        assert "The profile says 30 days. Such as 30 days." in form

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"due_after": "in 30 days"}, "Give a time such as 30 days"),
            ({"collection_alignment": "anchored"}, "An anchored collection needs a recurring period"),
            ({"progressive_threshold": "100"}, "Give the amount and its currency together."),
            ({"dunning_days": "3, 1"}, "must be at least 1 and rise"),
            ({"progressive_threshold_currency": "XYZ", "progressive_threshold": "1"}, "Not a currency of ISO 4217"),
        ],
    )
    def test_settings_that_can_not_be_read_are_refused_at_the_form(self, clerk, values, message):
        make_default_profile()
        customer = make_customer()
        page = clerk.post(verb_url(customer, "own-settings"), own(**values) | {"confirmed": "yes"}).content.decode()
        assert message in page
        assert "ch-error" in page
        assert CustomerOverride.objects.count() == 0

    def test_an_override_is_removed_with_its_pin_after_it_was_shown(self, clerk):
        customer = make_customer()
        CustomerOverride.objects.create(customer=customer, billing_profile=enterprise(), draft_period="P2D")
        page = ask(clerk, customer, "remove-override")
        assert cells(page, "Draft period") == ["Draft period", "2 days", "none", "default profile"]
        clerk.do(customer, "remove-override", reason="Contract ended")
        assert CustomerOverride.objects.count() == 0
        assert AuditEntry.objects.get(verb="customer.override_removed").reason == "Contract ended"
        assert said(clerk.do(customer, "remove-override", reason="Again")) == ["There is nothing to remove."]

    def test_the_page_asks_a_fixed_number_of_queries(self, auditor):
        customer = make_draft().customer
        CustomerOverride.objects.create(customer=customer, billing_profile=enterprise(), draft_period="P2D")
        every_page = 6
        with CaptureQueriesContext(connection) as captured:
            auditor.read(settings_url(customer))
        assert len(captured) <= every_page + 8

    def test_an_auditor_changes_nothing(self, auditor, cards):
        customer = make_customer()
        CustomerOverride.objects.create(customer=customer, billing_profile=enterprise())
        for verb in ("pin", "unpin", "own-settings", "remove-override", "stripe-customer"):
            assert auditor.post(verb_url(customer, verb), own(confirmed="yes")).status_code == 403, verb
        assert CustomerOverride.objects.get().billing_profile.name == "Enterprise"


def test_setting_an_id_at_stripe_while_pinning_needs_its_own_right(cards, stripe):
    desk = Desk("Finance clerk")
    desk.user.groups.get().permissions.remove(*desk.user.groups.get().permissions.filter(codename__endswith="appdata"))
    stripe.add_customer("cus_9")
    answers = {"profile": str(cards.pk), "stripe_customer_id": "cus_9", "reason": "Cards"}
    assert said(desk.do(make_customer(), "pin", **answers)) == [
        "Your role may not set ids at Stripe. Nothing was changed."
    ]
    assert CustomerAppData.objects.count() == 0


def test_a_customer_without_an_id_at_stripe_is_blocked_and_told_the_way_out(clerk, cards, stripe):
    page = ask(clerk, make_subscriber(make_excess_plan()), "pin", profile=cards.pk, stripe_customer_id="")
    assert "Acme is blocked, and stays on “Default”. Answer anew: give the customer id at Stripe." in page


def test_ids_at_stripe_stand_on_the_customer_s_page_and_before_another_is_set(clerk, cards, stripe):
    customer = make_subscriber(make_excess_plan())
    page = clerk.read(page_url(customer))
    assert "<dt>At Stripe EU</dt>" not in page
    assert "No Stripe app knows them yet." in clerk.read(verb_url(customer, "stripe-customer"))
    CustomerOverride.objects.create(customer=customer, billing_profile=cards)
    assert "No customer id yet: charges fail." in clerk.read(page_url(customer))
    stripe.add_customer("cus_9")
    answers = {"app": str(cards.app.pk), "stripe_customer_id": " cus_9 ", "reason": "Cards"}
    assert said(clerk.do(customer, "stripe-customer", **answers)) == ["Acme is cus_9 at Stripe EU."]
    page = clerk.read(page_url(customer))
    assert '<dt>At Stripe EU</dt><dd class="ch-mono">cus_9</dd>' in page
    assert "charges fail" not in page
    assert "Stripe EU knows them as cus_9 now." in clerk.read(verb_url(customer, "stripe-customer"))


def test_an_id_without_a_card_is_set_with_a_warning_and_one_that_is_refused_leaves_what_was_typed(clerk, cards, stripe):
    customer = make_customer()
    stripe.add_customer("cus_9", method=None)
    answers = {"app": str(cards.app.pk), "stripe_customer_id": "cus_9", "reason": "Cards"}
    assert said(clerk.do(customer, "stripe-customer", **answers)) == [
        "Acme is cus_9 at Stripe EU. The customer cus_9 has no default payment method at Stripe. "
        "A charge fails while that is so."
    ]
    refused = clerk.post(verb_url(customer, "stripe-customer"), answers | {"stripe_customer_id": "cus_nobody"})
    assert said(refused) == ["Stripe has no customer cus_nobody at this account. Nothing was changed."]
    assert 'value="cus_nobody"' in refused.content.decode()
    assert "Cards</textarea>" in refused.content.decode()
