"""Who has tax and would have none, or much less, is left so by two persons, whatever the way: the effect counts."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth import get_user_model
from django.urls import reverse

from core import clock
from core.approvals.models import ChangeRequest
from core.ids import to_text
from customers.models import BillingProfile, Customer, CustomerOverride
from invoicing.models import TaxRate
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from tests.support.api import Api, refused
from tests.support.catalog import fee, flat_card, make_plan
from tests.support.clock import at
from tests.support.closing import close, run
from tests.support.customers import enterprise, make_customer, make_default_profile
from tests.support.desk import Desk, list_url, make_staff, page_url, said, verb_url
from tests.support.subscriptions import do, subscribe

pytestmark = pytest.mark.django_db

WITHOUT = "The next invoices of Acme would be without tax."
LESS = "The next invoices of Acme would be taxed more than 3 percentage points lower."


@pytest.fixture(autouse=True)
def rates():
    """19 % in Germany, of old; nothing on exports of books, which is a category of its own."""
    make_default_profile()
    TaxRate.objects.create(country="DE", rate=Decimal(19), name="VAT", valid_from=at("2020-01-01"))
    TaxRate.objects.create(country="DE", category="books", rate=0, name="Zero", valid_from=at("2020-01-01"))


@pytest.fixture
def acme():
    customer = make_customer(name="Acme", country="DE")
    subscribe(make_plan(cards=(flat_card(),)), "2026-03-01", customer=customer)
    return customer


@pytest.fixture
def in_april():
    with clock.frozen_at(at("2026-04-01")):
        yield


def key_of_staff(*scopes):
    api = Api(*(scopes or ["*"]))
    api.key.created_by = get_user_model().objects.filter(username="maker").first() or make_staff(
        "Billing admin", "maker"
    )
    api.key.save()
    return api


def own(desk, customer, confirm=True, **answers):
    form = desk.get(verb_url(customer, "own-settings")).context["form"]
    sent = {bound.html_name: bound.value() or "" for bound in form} | {"reason": "Exempt"} | answers
    return desk.post(verb_url(customer, "own-settings"), sent | ({"confirmed": "yes"} if confirm else {}), follow=True)


def edit(desk, customer, **changes):
    url = reverse("admin:customers_customer_edit", args=[customer.pk])
    form = desk.get(url).context["adminform"].form
    sent = (
        {bound.html_name: bound.value() or "" for bound in form}
        | {"change_reason": "They moved", "_confirmed": "yes"}
        | changes
    )
    return desk.post(page_url(customer), sent, follow=True)


def change_rate(desk, rate, **changes):
    sent = {"name": "VAT", "valid_to_0": "", "valid_to_1": "", "change_reason": "x", "_confirmed": "yes"} | changes
    return desk.post(reverse("admin:invoicing_taxrate_change", args=[rate.pk]), sent, follow=True)


def add_rate(desk, **changes):
    sent = {"name": "VAT", "country": "DE", "region": "", "category": "", "valid_to_0": "", "valid_to_1": ""}
    sent |= {"valid_from_0": "2026-05-01", "valid_from_1": "00:00", "change_reason": "x", "_confirmed": "yes"}
    return desk.post(reverse("admin:invoicing_taxrate_add"), sent | changes, follow=True)


class TestOwnSettings:
    def test_a_category_without_tax_takes_two_and_the_page_that_asks_says_so(self, clerk, acme):
        page = own(clerk, acme, confirm=False, tax_code="books").content.decode()
        assert "A second person is needed." in page and WITHOUT in page
        assert WITHOUT in said(own(clerk, acme, tax_code="books"))[0]
        assert not CustomerOverride.objects.filter(tax_code="books").exists()
        Desk("Finance approver").do(ChangeRequest.objects.get(), "approve", reason="")
        assert CustomerOverride.objects.get(customer=acme).tax_code == "books"

    def test_a_category_with_tax_is_given_alone(self, clerk, acme):
        page = own(clerk, acme, confirm=False, tax_code="services").content.decode()
        assert "A second person is needed." not in page
        own(clerk, acme, tax_code="services")
        assert CustomerOverride.objects.get(customer=acme).tax_code == "services"

    def test_a_category_that_is_without_tax_later_takes_two_as_well(self, clerk, acme):
        TaxRate.objects.create(country="DE", category="maps", rate=0, name="Zero", valid_from=at("2126-01-01"))
        assert WITHOUT in said(own(clerk, acme, tax_code="maps"))[0]

    def test_less_than_one_percent_is_no_tax(self, clerk, acme):
        TaxRate.objects.create(country="DE", category="maps", rate="0.99", name="Maps", valid_from=at("2020-01-01"))
        assert WITHOUT in said(own(clerk, acme, tax_code="maps"))[0]
        TaxRate.objects.create(country="DE", category="food", rate=1, name="Food", valid_from=at("2020-01-01"))
        assert LESS in said(own(clerk, acme, tax_code="food"))[0]

    @pytest.mark.parametrize(("rate", "alone"), [("16", True), ("15.99", False), ("7", False), ("25", True)])
    def test_a_category_taxed_much_lower_takes_two(self, clerk, acme, rate, alone):
        TaxRate.objects.create(country="DE", category="food", rate=rate, name="Food", valid_from=at("2020-01-01"))
        page = own(clerk, acme, confirm=False, tax_code="food").content.decode()
        assert (LESS in page) != alone
        own(clerk, acme, tax_code="food")
        assert CustomerOverride.objects.filter(tax_code="food").exists() == alone
        assert ChangeRequest.objects.exists() != alone

    def test_the_limit_is_a_setting(self, clerk, acme, settings):
        settings.TAX_CUT_TWO_PERSON_ABOVE_POINTS = Decimal("12")
        TaxRate.objects.create(country="DE", category="food", rate=7, name="Food", valid_from=at("2020-01-01"))
        own(clerk, acme, tax_code="food")
        assert CustomerOverride.objects.get(customer=acme).tax_code == "food"

    def test_what_was_held_for_want_of_a_rate_is_not_let_go_by_one(self, clerk, acme):
        BillingProfile.objects.update(tax_enforced=True)
        Customer.objects.update(country="US")
        assert WITHOUT in said(own(clerk, acme, tax_enforced="no"))[0]
        assert not CustomerOverride.objects.filter(tax_enforced=False).exists()

    def test_over_rest_the_same_holds(self, acme):
        answer = key_of_staff().put(f"/billing/customers/{to_text(acme.pk)}", {"workflow": {"tax": {"enabled": False}}})
        assert WITHOUT in refused(answer, 403)["detail"]


class TestProfiles:
    @pytest.fixture
    def untaxed(self):
        profile = enterprise()
        BillingProfile.objects.filter(pk=profile.pk).update(tax_code="books")
        return profile

    def test_a_pin_to_a_profile_under_which_no_tax_comes_about(self, clerk, acme, untaxed):
        answers = {"profile": str(untaxed.pk), "reason": "x"}
        assert WITHOUT in clerk.post(verb_url(acme, "pin"), answers).content.decode()
        assert WITHOUT in said(clerk.do(acme, "pin", **answers))[0]
        assert not CustomerOverride.objects.exclude(billing_profile=None).exists()

    def test_pins_in_bulk_each_wait_and_the_page_that_asks_says_how_many(self, clerk, acme, untaxed):
        other = make_customer(key="other", name="Other", country="US")
        sent = {"action": "pin", ACTION_CHECKBOX_NAME: [str(acme.pk), str(other.pk)], "profile": str(untaxed.pk)}
        page = clerk.post(list_url(Customer), sent | {"answered": "yes", "reason": "x"}).content.decode()
        assert WITHOUT in page
        clerk.post(list_url(Customer), sent | {"confirmed": "yes", "reason": "x"}, follow=True)
        assert [row.customer for row in CustomerOverride.objects.exclude(billing_profile=None)] == [other]
        assert ChangeRequest.objects.get().effect == WITHOUT

    def test_an_unpin_and_a_removed_override(self, clerk, acme, untaxed):
        CustomerOverride.objects.create(customer=acme, billing_profile=enterprise(name="Taxed"))
        BillingProfile.objects.filter(is_default=True).update(tax_code="books")
        assert WITHOUT in said(clerk.do(acme, "unpin", reason="x"))[0]
        assert WITHOUT in said(clerk.do(acme, "remove-override", reason="x"))[0]
        assert CustomerOverride.objects.filter(billing_profile__name="Taxed").exists()

    def test_over_rest_too(self, acme, untaxed):
        body = {"billingProfileId": to_text(untaxed.pk)}
        assert WITHOUT in refused(key_of_staff().put(f"/billing/customers/{to_text(acme.pk)}", body), 403)["detail"]

    @pytest.mark.parametrize("taxless", ["pin", "own settings"])
    def test_a_program_sets_up_who_never_subscribed_and_staff_do_not(self, clerk, acme, untaxed, taxless):
        new = make_customer(key="new", name="New", country="DE")
        pin = {"billingProfileId": to_text(untaxed.pk)}
        body = pin if taxless == "pin" else {"workflow": {"tax": {"enabled": False}}}
        detail = refused(key_of_staff().put(f"/billing/customers/{to_text(new.pk)}", body), 403)["detail"]
        assert "The next invoices of New would be without tax." in detail and "the scope setup:write" in detail
        assert not CustomerOverride.objects.exists()
        program = key_of_staff("*", "setup:write")
        assert program.put(f"/billing/customers/{to_text(new.pk)}", body).status_code == 200
        assert CustomerOverride.objects.get().customer == new
        if taxless == "pin":
            other = make_customer(key="other", name="Other", country="DE")
            said_why = said(clerk.do(other, "pin", profile=str(untaxed.pk), reason="x"))[0]
            assert "The next invoices of Other would be without tax." in said_why

    def test_another_default(self, billing_admin, acme, untaxed):
        page = billing_admin.post(verb_url(untaxed, "make-default"), {"reason": "x"}).content.decode()
        assert "The next invoices of 1 customer on “Enterprise” would be without tax." in page
        billing_admin.do(untaxed, "make-default", reason="x")
        assert not BillingProfile.objects.get(pk=untaxed.pk).is_default

    def test_the_code_of_the_profile_itself(self, billing_admin, acme):
        make_customer(key="other", name="Other", country="US")
        profile = make_default_profile()
        url = reverse("admin:customers_billingprofile_edit", args=[profile.pk])
        form = billing_admin.get(url).context["adminform"].form
        sent = {bound.html_name: bound.value() for bound in form if bound.value() not in (None, False)}
        sent |= {"dunning_days": "1, 3, 5, 7", "tax_code": "books", "change_reason": "x"}
        effect = "The next invoices of 1 customer on “Default” would be without tax."
        assert effect in billing_admin.post(url, sent).content.decode()
        assert effect in said(billing_admin.post(url, sent | {"_confirmed": "yes"}, follow=True))[0]
        profile.refresh_from_db()
        assert not profile.tax_code


class TestLowerRates:
    """19 % becomes 7 %: by whatever way, two decide."""

    @pytest.fixture
    def lower(self):
        TaxRate.objects.create(country="DE", category="food", rate=7, name="Food", valid_from=at("2020-01-01"))
        profile = enterprise()
        BillingProfile.objects.filter(pk=profile.pk).update(tax_code="food")
        return profile

    def test_a_pin(self, clerk, acme, lower):
        assert LESS in said(clerk.do(acme, "pin", profile=str(lower.pk), reason="x"))[0]
        assert not CustomerOverride.objects.exists()

    def test_pins_in_bulk(self, clerk, acme, lower):
        other = make_customer(key="other", name="Other", country="DE")
        sent = {"action": "pin", ACTION_CHECKBOX_NAME: [str(acme.pk), str(other.pk)], "profile": str(lower.pk)}
        page = clerk.post(list_url(Customer), sent | {"answered": "yes", "reason": "x"}).content.decode()
        assert "The next invoices of 2 customers would be taxed more than 3 percentage points lower." in page
        clerk.post(list_url(Customer), sent | {"confirmed": "yes", "reason": "x"}, follow=True)
        assert not CustomerOverride.objects.exists() and ChangeRequest.objects.count() == 2

    def test_another_default(self, billing_admin, acme, lower):
        effect = "The next invoices of 1 customer on “Enterprise” would be taxed more than 3 percentage points lower."
        assert effect in said(billing_admin.do(lower, "make-default", reason="x"))[0]
        assert not BillingProfile.objects.get(pk=lower.pk).is_default

    def test_of_the_worst_the_page_speaks(self, clerk, acme, lower):
        """Of two who lose tax, the one who loses all of it is named."""
        TaxRate.objects.create(country="FR", category="food", rate=0, name="Zero", valid_from=at("2020-01-01"))
        TaxRate.objects.create(country="FR", rate=20, name="TVA", valid_from=at("2020-01-01"))
        other = make_customer(key="other", name="Other", country="FR")
        sent = {"action": "pin", ACTION_CHECKBOX_NAME: [str(acme.pk), str(other.pk)], "profile": str(lower.pk)}
        page = clerk.post(list_url(Customer), sent | {"answered": "yes", "reason": "x"}).content.decode()
        assert "The next invoices of 2 customers would be without tax." in page

    def test_an_item_of_ones_own(self, acme, lower):
        card: dict[str, Any] = {"type": "flat_fee", "key": "base", "name": "Base", "billingCadence": "P1M"}
        card |= {"price": {"type": "flat", "amount": "50.00", "paymentTerm": "in_advance"}}
        TaxRate.objects.filter(category="food").update(category="txcd_40000000")
        card |= {"taxConfig": {"stripe": {"code": "txcd_40000000"}}}
        edits = [{"op": "add_item", "phaseKey": "phase_1", "rateCard": card}]
        with clock.frozen_at(at("2026-04-01")):
            url = f"/subscriptions/{to_text(acme.subscriptions.get().pk)}"
            answer = key_of_staff().call("PATCH", url, {"customizations": edits})
        assert "Base would be taxed more than 3 percentage points lower." in refused(answer, 403)["detail"]


class TestAddress:
    def test_nor_to_where_it_is_much_lower(self, clerk, acme):
        TaxRate.objects.create(country="CH", rate="8.1", name="MWST", valid_from=at("2020-01-01"))
        assert LESS in said(edit(clerk, acme, country="CH"))[0]
        acme.refresh_from_db()
        assert acme.country == "DE"

    def test_what_is_over_and_yet_to_be_billed_counts_and_what_is_billed_does_not(self, clerk):
        """A fee in arrears with a code of its own, which France does not tax: ended on 16 April, billed on 1 May."""
        TaxRate.objects.create(country="FR", rate=20, name="TVA", valid_from=at("2020-01-01"))
        TaxRate.objects.create(country="FR", category="maps", rate=0, name="Zero", valid_from=at("2020-01-01"))
        first_of_month = {"collection_cadence": "P1M", "collection_anchor": at("2026-01-01")}
        BillingProfile.objects.update(collection_alignment="anchored", **first_of_month)
        customer = make_customer(name="Acme", country="DE")
        arrears = flat_card(price=fee("50.00", "in_arrears"), tax_config={"stripe": {"code": "maps"}})
        subscription = subscribe(make_plan(cards=(arrears,)), "2026-04-01", customer=customer)
        do(cancel_subscription, subscription, "2026-04-16")
        with clock.frozen_at(at("2026-04-20")):
            assert WITHOUT in said(edit(clerk, customer, country="FR"))[0]
        customer.refresh_from_db()
        assert customer.country == "DE"
        run("2026-05-01")
        # 19 % of 25.00.
        assert customer.invoices.get(issued_at__isnull=False).taxes_total == Decimal("4.75")
        with clock.frozen_at(at("2026-05-02")):
            edit(clerk, customer, country="FR")
        customer.refresh_from_db()
        assert customer.country == "FR"

    def test_nor_to_where_they_would_be_held_so_that_no_second_step_goes_unseen(self, clerk, acme):
        BillingProfile.objects.update(tax_enforced=True)
        held = "The next invoices of Acme would be held for want of a tax rate."
        assert held in said(edit(clerk, acme, country="US"))[0]
        acme.refresh_from_db()
        assert acme.country == "DE"

    def test_staff_do_not_move_a_billed_customer_out_of_tax_alone(self, clerk, acme):
        assert WITHOUT in said(edit(clerk, acme, country="US"))[0]
        acme.refresh_from_db()
        assert acme.country == "DE"
        Desk("Finance approver").do(ChangeRequest.objects.get(), "approve", reason="")
        acme.refresh_from_db()
        assert acme.country == "US"

    def test_to_where_tax_is_due_too_one_person_moves_them(self, clerk, acme):
        TaxRate.objects.create(country="FR", rate=20, name="TVA", valid_from=at("2020-01-01"))
        edit(clerk, acme, country="FR")
        acme.refresh_from_db()
        assert acme.country == "FR"

    def test_who_never_subscribed_is_being_set_up(self, clerk):
        customer = make_customer(name="New", country="DE")
        edit(clerk, customer, country="US")
        customer.refresh_from_db()
        assert customer.country == "US"

    BODY = {"name": "Acme", "key": "acme", "billingAddress": {"country": "US"}}

    def test_a_program_passes_on_what_the_customer_said(self, acme):
        answer = key_of_staff("*", "setup:write").put(f"/customers/{to_text(acme.pk)}", self.BODY)
        assert answer.status_code == 200, answer.content
        acme.refresh_from_db()
        assert acme.country == "US"

    def test_a_key_of_one_person_is_that_person(self, acme):
        detail = refused(key_of_staff().put(f"/customers/{to_text(acme.pk)}", self.BODY), 403)["detail"]
        assert WITHOUT in detail and "setup:write" in detail
        acme.refresh_from_db()
        assert acme.country == "DE"

    def test_a_program_takes_no_tax_off_who_subscribed_but_by_their_address(self, acme):
        api, body = key_of_staff("*", "setup:write"), {"workflow": {"tax": {"enabled": False}}}
        assert WITHOUT in refused(api.put(f"/billing/customers/{to_text(acme.pk)}", body), 403)["detail"]

    def test_a_tax_id_takes_no_tax_off(self, clerk, acme):
        edit(clerk, acme, tax_id="DE136695976")
        acme.refresh_from_db()
        assert acme.tax_id == "DE136695976"
        close(acme, "2026-04-16")
        # 19 % of 50.00: a number whose check digit is right says nothing of reverse charge.
        assert acme.invoices.get(issued_at__gte=at("2026-04-16")).taxes_total == Decimal("9.50")


@pytest.mark.usefixtures("in_april")
class TestRates:
    LOST = "Customers in Germany would be billed without tax for some time or for good."

    def test_a_rate_is_not_ended_by_one_while_customers_are_there(self, billing_admin, acme):
        rate = TaxRate.objects.get(rate=19)
        response = change_rate(billing_admin, rate, valid_to_0="2026-06-01", valid_to_1="00:00")
        assert self.LOST in str(*response.context["messages"])
        rate.refresh_from_db()
        assert rate.valid_to is None
        Desk("Billing admin", "bob").do(ChangeRequest.objects.get(), "approve", reason="")
        rate.refresh_from_db()
        assert rate.valid_to == datetime(2026, 6, 1, tzinfo=UTC)

    def test_where_another_follows_it_is(self, billing_admin, acme):
        rate = TaxRate.objects.get(rate=19)
        add_rate(billing_admin, rate="16", valid_from_0="2026-06-01")
        change_rate(billing_admin, rate, valid_to_0="2026-06-01", valid_to_1="00:00")
        rate.refresh_from_db()
        assert rate.valid_to == datetime(2026, 6, 1, tzinfo=UTC)

    def test_nor_does_a_gap_pass(self, billing_admin, acme):
        add_rate(billing_admin, rate="16", valid_from_0="2026-06-02")
        response = change_rate(billing_admin, TaxRate.objects.get(rate=19), valid_to_0="2026-06-01", valid_to_1="00:00")
        assert self.LOST in str(*response.context["messages"])

    @pytest.mark.parametrize("changes", [{}, {"valid_from_0": "2126-01-01"}, {"category": "services"}])
    def test_a_rate_of_zero_beside_it_takes_two(self, billing_admin, acme, changes):
        assert self.LOST in said(add_rate(billing_admin, **{"rate": "0"} | changes))[0]
        assert TaxRate.objects.count() == 2

    def test_of_a_region_it_counts_who_lives_there(self, billing_admin, acme):
        add_rate(billing_admin, rate="0", region="Helgoland")
        assert TaxRate.objects.count() == 3
        Customer.objects.update(state="Heligoland")
        response = add_rate(billing_admin, rate="0", region="Heligoland")
        assert "Customers in Germany (Heligoland) would be billed without tax" in said(response)[0]

    def test_where_nobody_is_yet_rates_are_set_up_alone(self, billing_admin, acme):
        add_rate(billing_admin, rate="20", country="FR")
        change_rate(billing_admin, TaxRate.objects.get(country="FR"), valid_to_0="2026-06-01", valid_to_1="00:00")
        assert TaxRate.objects.get(country="FR").valid_to is not None

    LOWER = "Customers in Germany would be taxed more than 3 percentage points lower for some time or for good."

    @pytest.mark.parametrize(
        ("changes", "refusal"),
        [
            ({"rate": "16"}, ""),
            ({"rate": "15.9"}, LOWER),
            ({"rate": "1"}, LOWER),
            ({"rate": "1", "valid_from_0": "2126-01-01"}, LOWER),
            ({"rate": "7", "category": "food"}, LOWER),
            ({"rate": "21"}, ""),
            # It is dated back, over time that was taxed at 19 %.
            ({"rate": "18", "valid_from_0": "2026-03-31"}, "Customers in Germany would be taxed lower for time that"),
            ({"rate": "21", "valid_from_0": "2026-03-31"}, ""),
        ],
    )
    def test_a_lower_rate_takes_two_beyond_the_limit_or_dated_back(self, billing_admin, acme, changes, refusal):
        messages = said(add_rate(billing_admin, **changes))
        assert TaxRate.objects.count() == (2 if refusal else 3)
        assert refusal in messages[0] if refusal else not ChangeRequest.objects.exists()

    def test_a_second_person_brings_it_into_force(self, billing_admin, acme):
        add_rate(billing_admin, rate="1")
        Desk("Billing admin", "bob").do(ChangeRequest.objects.get(), "approve", reason="")
        assert TaxRate.objects.filter(rate=1).exists()

    def test_steps_within_a_year_add_up(self, billing_admin, acme):
        add_rate(billing_admin, rate="16", valid_from_0="2026-05-01")
        assert self.LOWER in said(add_rate(billing_admin, rate="13", valid_from_0="2026-05-02"))[0]
        assert self.LOWER in said(add_rate(billing_admin, rate="13", valid_from_0="2027-05-01"))[0]
        # 366 days after the last day of 19 %.
        add_rate(billing_admin, rate="13", valid_from_0="2027-05-02")
        assert sorted(TaxRate.objects.filter(category="").values_list("rate", flat=True)) == [13, 16, 19]

    def test_a_rate_that_rises_again_for_a_while_hides_nothing(self, billing_admin, acme):
        add_rate(billing_admin, rate="16", valid_from_0="2026-05-01")
        add_rate(billing_admin, rate="17", valid_from_0="2026-06-01")
        assert self.LOWER in said(add_rate(billing_admin, rate="14", valid_from_0="2026-07-01"))[0]


class TestItems:
    BOOKS = {"stripe": {"code": "txcd_35010000"}}

    @pytest.fixture(autouse=True)
    def rate_of_zero(self, rates):
        TaxRate.objects.filter(category="books").update(category="txcd_35010000")

    def card(self, **changes):
        price = {"type": "flat", "amount": "50.00", "paymentTerm": "in_advance"}
        card = {"type": "flat_fee", "key": "base", "name": "Base", "billingCadence": "P1M", "price": price}
        return card | changes

    @pytest.mark.parametrize(("code", "status"), [("txcd_35010000", 403), ("txcd_10000000", 200)])
    def test_an_item_of_ones_own_loses_its_tax_by_two(self, acme, code, status):
        subscription = acme.subscriptions.get()
        card = self.card(taxConfig={"stripe": {"code": code}})
        edits = [{"op": "add_item", "phaseKey": "phase_1", "rateCard": card}]
        with clock.frozen_at(at("2026-04-01")):
            answer = key_of_staff().call(
                "PATCH", f"/subscriptions/{to_text(subscription.pk)}", {"customizations": edits}
            )
        assert answer.status_code == status, answer.content
        if status == 403:
            assert "Base would be billed without tax." in answer.json()["detail"]

    def test_so_does_that_of_a_plan_made_for_a_customer(self, acme):
        subscription = acme.subscriptions.get()
        phase = {"key": "only", "name": "Only", "rateCards": [self.card(taxConfig=self.BOOKS)]}
        plan = {"name": "Special", "currency": "EUR", "billingCadence": "P1M", "phases": [phase]}
        with clock.frozen_at(at("2026-04-16")):
            body = {"customPlan": plan, "timing": "immediate"}
            answer = key_of_staff().post(f"/subscriptions/{to_text(subscription.pk)}/change", body)
        assert "Base would be billed without tax." in refused(answer, 403)["detail"]
