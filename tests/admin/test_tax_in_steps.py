"""What single persons take off a customer's tax rate within a year adds up, whoever they are and by whatever way."""

from datetime import timedelta

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME

from core import clock
from core.approvals.errors import ApprovalNeeded, SecondPersonNeeded
from core.approvals.limits import approved, foreseeing
from core.approvals.models import ChangeRequest
from core.audit.actors import acting_as
from core.ids import to_text
from customers.models import BillingProfile, Customer, CustomerOverride
from invoicing.models import TaxCut, TaxRate
from invoicing.profile_moves.approve_migration import approve_migration
from invoicing.profile_moves.make_default_profile import make_default_profile as switch_default
from invoicing.tax_guards.tax_switch import foresee_tax_off
from tests.admin.test_tax_takes_two import edit, key_of_staff, own
from tests.services.test_migration_limits import changed, checked
from tests.support.api import refused
from tests.support.catalog import flat_card, make_plan
from tests.support.clock import at
from tests.support.customers import enterprise, make_customer, make_default_profile
from tests.support.desk import Desk, list_url, said
from tests.support.moves import ADA, BOB, outcomes, work_off
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db

STEPS = "would be taxed more than 3 percentage points lower than within the year before, in steps."
# 19 -> 16.5 -> 14 -> 11.5: each is 2.5 less than the one before.
BY_COUNTRY = {"DE": "19", "LU": "16.5", "MT": "14", "CY": "11.5"}
BY_CODE = {"less": "16.5", "least": "14"}


@pytest.fixture(autouse=True)
def rates():
    make_default_profile()
    for country, rate in BY_COUNTRY.items():
        TaxRate.objects.create(country=country, rate=rate, name="VAT", valid_from=at("2020-01-01"))
    for code, rate in BY_CODE.items():
        TaxRate.objects.create(country="DE", category=code, rate=rate, name="VAT", valid_from=at("2020-01-01"))


@pytest.fixture
def acme():
    customer = make_customer(name="Acme", country="DE")
    subscribe(make_plan(cards=(flat_card(),)), "2026-03-01", customer=customer)
    return customer


def country():
    return Customer.objects.get(key="acme").country


def code():
    return CustomerOverride.objects.get(customer__key="acme").tax_code


def profile_of(tax_code, name="Lower"):
    profile = enterprise(name=name)
    BillingProfile.objects.filter(pk=profile.pk).update(tax_code=tax_code)
    profile.refresh_from_db()
    return profile


def a_year_passes():
    TaxCut.objects.update(at=clock.real_now() - timedelta(days=366, seconds=1))


class TestAddresses:
    def test_the_second_step_takes_two_whoever_made_the_first(self, clerk, acme):
        edit(clerk, acme, country="LU")
        assert country() == "LU"
        for desk in (clerk, Desk("Finance clerk", "carol")):
            assert f"The next invoices of Acme {STEPS}" in said(edit(desk, acme, country="MT"))[0]
        assert country() == "LU"

    def test_once_two_approved_it_another_step_is_one_persons_again(self, clerk, acme):
        edit(clerk, acme, country="LU")
        edit(clerk, acme, country="MT")
        Desk("Finance approver").do(ChangeRequest.objects.get(), "approve", reason="")
        assert (country(), TaxCut.objects.count()) == ("MT", 0)
        edit(clerk, acme, country="CY")
        assert country() == "CY"

    def test_after_a_year_it_counts_anew(self, clerk, acme):
        edit(clerk, acme, country="LU")
        a_year_passes()
        edit(clerk, acme, country="MT")
        assert country() == "MT"
        assert TaxCut.objects.get().country == "LU"

    def test_up_and_down_again_is_no_more_than_down(self, clerk, acme):
        for step in ("LU", "DE", "LU", "DE", "LU"):
            edit(clerk, acme, country=step)
            assert country() == step
        assert TaxCut.objects.get().country == "DE"

    def test_a_rise_in_between_hides_nothing(self, clerk, acme):
        TaxRate.objects.create(country="CZ", rate="17", name="VAT", valid_from=at("2020-01-01"))
        for step in ("LU", "CZ"):
            edit(clerk, acme, country=step)
        assert STEPS in said(edit(clerk, acme, country="MT"))[0]

    def test_a_change_that_lowers_nothing_needs_nobody_whatever_was_before(self, clerk, acme):
        edit(clerk, acme, country="LU")
        TaxRate.objects.filter(country="LU").update(rate="14")
        edit(clerk, acme, name="Acme Ltd")
        assert Customer.objects.get(key="acme").name == "Acme Ltd"
        assert not ChangeRequest.objects.exists()

    def test_over_rest_too(self, acme):
        api, path = key_of_staff(), f"/customers/{to_text(acme.pk)}"
        body = {"name": "Acme", "key": "acme", "billingAddress": {"country": "LU"}}
        assert api.put(path, body).status_code == 200
        assert STEPS in refused(api.put(path, body | {"billingAddress": {"country": "MT"}}), 403)["detail"]
        assert country() == "LU"


class TestOtherWays:
    """After a step by an address, or by a setting, the next is one whatever its way."""

    @pytest.fixture
    def lowered(self, clerk, acme):
        """16.5 % by a code of the customer's own, where the country has 19 %."""
        own(clerk, acme, tax_code="less")
        assert code() == "less"
        return acme

    def test_own_settings_and_the_page_that_asks_says_so(self, clerk, lowered):
        assert STEPS in own(clerk, lowered, confirm=False, tax_code="least").content.decode()
        assert STEPS in said(own(clerk, lowered, tax_code="least"))[0]
        assert code() == "less"

    def test_own_settings_over_rest(self, lowered):
        body = {"workflow": {"invoicing": {"defaultTaxConfig": {"stripe": {"code": "least"}}}}}
        answer = key_of_staff().put(f"/billing/customers/{to_text(lowered.pk)}", body)
        assert STEPS in refused(answer, 403)["detail"]
        assert code() == "less"

    def test_an_address_after_a_setting(self, clerk, lowered):
        assert STEPS in said(edit(clerk, lowered, country="MT"))[0]
        assert country() == "DE"

    def test_a_pin_and_pins_in_bulk(self, clerk, acme):
        edit(clerk, acme, country="LU")
        TaxRate.objects.create(country="LU", category="least", rate=14, name="VAT", valid_from=at("2020-01-01"))
        lower, other = profile_of("least"), make_customer(key="other", name="Other", country="LU")
        assert STEPS in said(clerk.do(acme, "pin", profile=str(lower.pk), reason="x"))[0]
        chosen = {ACTION_CHECKBOX_NAME: [str(acme.pk), str(other.pk)], "profile": str(lower.pk), "reason": "x"}
        page = clerk.post(list_url(Customer), {"action": "pin", "answered": "yes"} | chosen).content.decode()
        assert f"The next invoices of Acme {STEPS}" in page
        clerk.post(list_url(Customer), {"action": "pin", "confirmed": "yes"} | chosen, follow=True)
        # 16.5 to 14 is one step for the other, who made none before.
        assert [row.customer for row in CustomerOverride.objects.exclude(billing_profile=None)] == [other]

    def test_the_settings_of_a_profile(self, acme):
        default = make_default_profile()
        with acting_as(ADA):
            changed_default(default, tax_code="less")
            with pytest.raises(ApprovalNeeded, match=STEPS.rstrip(".")):
                changed_default(default, tax_code="least")
        with acting_as(BOB), approved():
            changed_default(default, tax_code="least")
        assert not TaxCut.objects.exists()

    def test_another_default(self, acme):
        less, least = profile_of("less", "Less"), profile_of("least", "Least")
        with acting_as(ADA):
            switch_default(profile=less)
            with pytest.raises(ApprovalNeeded, match=f"1 customer on “Least” {STEPS}"):
                switch_default(profile=least)
        with acting_as(BOB), approved():
            switch_default(profile=least)
        assert not TaxCut.objects.exists()

    def test_a_migration_that_its_author_approves(self, clerk, acme):
        edit(clerk, acme, country="LU")
        TaxRate.objects.create(country="LU", category="least", rate=14, name="VAT", valid_from=at("2020-01-01"))
        other = make_customer(key="other", name="Other", country="LU")
        target = profile_of("least")
        migration = checked(make_default_profile(), target, [acme, other])
        with acting_as(ADA), pytest.raises(SecondPersonNeeded, match=f"invoices of 1 customer {STEPS}"):
            approve_migration(migration=migration)
        # What was taken off since the approval counts, too.
        Customer.objects.filter(pk=acme.pk).update(country="DE")
        TaxCut.objects.all().delete()
        TaxRate.objects.filter(country="DE", category="least").update(rate="16.5")
        with acting_as(ADA):
            approve_migration(migration=migration)
        edit(clerk, acme, country="LU")
        migration.refresh_from_db()
        assert outcomes(work_off(migration)) == {"failed": 1, "moved": 1}
        assert set(TaxCut.objects.values_list("customer__key", "country")) == {("acme", "DE"), ("other", "LU")}

    def test_a_migration_that_two_approved_begins_anew(self, clerk, acme):
        edit(clerk, acme, country="LU")
        TaxRate.objects.create(country="LU", category="least", rate=14, name="VAT", valid_from=at("2020-01-01"))
        migration = checked(make_default_profile(), profile_of("least"), [acme])
        with acting_as(BOB):
            approve_migration(migration=migration)
        migration.refresh_from_db()
        assert outcomes(work_off(migration)) == {"moved": 1}
        assert not TaxCut.objects.exists()

    def test_an_item_of_their_own(self, clerk, acme):
        for name, rate in (("txcd_10000001", "16.5"), ("txcd_10000002", "14")):
            TaxRate.objects.create(country="DE", category=name, rate=rate, name="VAT", valid_from=at("2020-01-01"))
        assert change_item(acme, "txcd_10000001").status_code == 200
        assert f"Base {STEPS}" in refused(change_item(acme, "txcd_10000002"), 403)["detail"]
        # What they are sold was taxed at 19 % before it got its code, and would be at 14 %; all else at 16.5 %.
        TaxRate.objects.create(country="LU", category="txcd_10000001", rate=14, name="VAT", valid_from=at("2020-01-01"))
        assert STEPS in said(edit(clerk, acme, country="LU"))[0]

    def test_an_item_after_an_address(self, clerk, acme):
        TaxRate.objects.create(country="LU", category="txcd_10000002", rate=14, name="VAT", valid_from=at("2020-01-01"))
        edit(clerk, acme, country="LU")
        assert f"Base {STEPS}" in refused(change_item(acme, "txcd_10000002"), 403)["detail"]


def changed_default(profile, **changes):
    return changed(BillingProfile.objects.get(pk=profile.pk), **changes)


def change_item(customer, tax_code):
    price = {"type": "flat", "amount": "50.00", "paymentTerm": "in_advance"}
    card = {"type": "flat_fee", "key": "base", "name": "Base", "billingCadence": "P1M", "price": price}
    edits = [
        {"op": "add_item", "phaseKey": "phase_1", "rateCard": card | {"taxConfig": {"stripe": {"code": tax_code}}}}
    ]
    with clock.frozen_at(at("2026-04-01")):
        url = f"/subscriptions/{to_text(customer.subscriptions.get().pk)}"
        return key_of_staff().call("PATCH", url, {"customizations": edits})


@pytest.mark.parametrize("many", [2, 20])
def test_of_many_a_fixed_number_of_questions_is_asked(many, django_assert_max_num_queries):
    """Everybody had 2.5 points taken off before."""
    customers = [make_customer(key=f"c{number}", name=f"C {number}", country="LU") for number in range(many)]
    TaxCut.objects.bulk_create(TaxCut(customer=customer, country="DE") for customer in customers)
    less, least = (
        {"tax_enabled": True, "tax_enforced": False, "tax_code": c, "tax_behavior": "exclusive"} for c in ("", "least")
    )
    TaxRate.objects.create(country="LU", category="least", rate=14, name="VAT", valid_from=at("2020-01-01"))
    with acting_as(ADA), foreseeing() as needs, django_assert_max_num_queries(5):
        waiting = foresee_tax_off(customers, dict.fromkeys(ids(customers), less), dict.fromkeys(ids(customers), least))
    assert waiting == customers
    assert needs[0].effect == f"The next invoices of {many} customers {STEPS}"


def ids(customers):
    return [customer.pk for customer in customers]
