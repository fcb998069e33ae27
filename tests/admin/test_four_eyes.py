"""What one person may not do alone at the finance desk, in whatever way, and how a second person stands behind it."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.urls import reverse

from billing_site.access.models import ApiKey
from billing_site.access.services.create_api_key import create_api_key
from core import clock
from core.approvals.models import ChangeRequest, CountedAct
from core.audit.models import AuditEntry
from customers.models import BillingProfile, Customer, CustomerOverride, Supplier
from invoicing.models import BalanceEntry, TaxRate
from subscriptions.models import Coupon
from tests.admin.test_headings import heading
from tests.support.catalog import make_excess_plan
from tests.support.clock import at
from tests.support.closing import START, make_issued, make_subscriber
from tests.support.customers import enterprise, make_customer, make_default_profile
from tests.support.desk import Desk, list_url, page_url, said, verb_url

pytestmark = pytest.mark.django_db

COUPON = {
    "code": "LOYAL",
    "name": "",
    "percentage": "80",
    "amount": "",
    "currency": "",
    "periods": "1",
    "item_keys": "",
    "plan_keys": "",
    "redemption_limit": "",
    "expires_at_0": "",
    "expires_at_1": "",
    "change_reason": "Loyal for ten years",
    "_confirmed": "yes",
}


@pytest.fixture
def limit_of_three(settings):
    settings.MIGRATION_TWO_PERSON_ABOVE = settings.PROFILE_TWO_PERSON_ABOVE = 3
    make_default_profile()


def people(count):
    return [make_customer(key=f"c{number}", name=f"Customer {number}") for number in range(count)]


def in_bulk(desk, verb, customers, **answers):
    sent = {"action": verb, ACTION_CHECKBOX_NAME: [str(c.pk) for c in customers], "confirmed": "yes", "reason": "x"}
    return desk.post(list_url(Customer), sent | answers, follow=True)


def pinned():
    return CustomerOverride.objects.exclude(billing_profile=None).count()


def add_coupon(desk, **changes):
    return desk.post(reverse("admin:subscriptions_coupon_add"), COUPON | changes, follow=True)


def test_59_customers_are_not_pinned_in_bulk_by_one_clerk_who_may_pin_50(clerk):
    make_default_profile()
    customers, target = people(59), enterprise()
    chosen = {"action": "pin", ACTION_CHECKBOX_NAME: [str(c.pk) for c in customers], "profile": str(target.pk)}
    asked = clerk.post(list_url(Customer), chosen | {"answered": "yes", "reason": "x"})
    assert "Use a profile migration" in asked.content.decode()
    [refused] = said(in_bulk(clerk, "pin", customers, profile=str(target.pk)))
    assert "59 customers moved by you within 24 hours" in refused and "Use a profile migration" in refused
    assert (pinned(), CountedAct.objects.count()) == (0, 0)
    # What the page leads to: a migration of all 59, which another person approves.
    form = clerk.get(asked.context["migrate_url"]).context["form"]
    filled = {"reason": "All", **{name: form[name].value() for name in ("from_profile", "to_profile", "named")}}
    assert clerk.post(reverse("admin:invoicing_profilemigration_add"), filled).context["count"] == 59
    in_bulk(clerk, "pin", customers[:50], profile=str(target.pk))
    assert pinned() == 50
    assert "makes 51 customers" in said(clerk.do(customers[50], "pin", profile=str(target.pk), reason="x"))[0]


@pytest.mark.usefixtures("limit_of_three")
class TestMoves:
    def test_more_than_one_person_may_move_are_not_pinned_in_bulk_and_none_of_them_is(self, clerk):
        response = in_bulk(clerk, "pin", people(4), profile=str(enterprise().pk))
        assert "4 customers moved by you within 24 hours" in said(response)[0]
        assert "Use a profile migration" in said(response)[0]
        assert pinned() == 0

    def test_the_page_that_asks_says_so_before_anything_is_confirmed(self, clerk):
        sent = {"action": "pin", ACTION_CHECKBOX_NAME: [str(c.pk) for c in people(4)], "answered": "yes", "reason": "x"}
        page = clerk.post(list_url(Customer), sent | {"profile": str(enterprise().pk)}).content.decode()
        assert "Use a profile migration" in page

    def test_it_leads_to_the_migration_that_moves_them_instead(self, clerk):
        customers, target = people(4), enterprise()
        chosen = {ACTION_CHECKBOX_NAME: [str(c.pk) for c in customers], "profile": str(target.pk), "reason": "x"}
        page = clerk.post(list_url(Customer), {"action": "pin", "answered": "yes"} | chosen)
        assert "approvals:write" not in page.content.decode()
        form = clerk.get(page.context["migrate_url"]).context["form"]
        filled = {"reason": "All", **{name: form[name].value() for name in ("from_profile", "to_profile", "named")}}
        counted = clerk.post(reverse("admin:invoicing_profilemigration_add"), filled)
        assert (counted.context["count"], counted.context["target"]) == (4, target)

    def test_who_is_blocked_is_not_moved_and_does_not_count(self, clerk):
        customers, other = (
            people(4),
            enterprise(supplier=Supplier.objects.create(name="Other", invoice_prefix="O", credit_note_prefix="OC")),
        )
        BalanceEntry.objects.create(customer=customers[0], currency="EUR", kind="credit_note", amount=Decimal(5))
        sent = {"action": "pin", ACTION_CHECKBOX_NAME: [str(c.pk) for c in customers], "reason": "x"}
        page = clerk.post(list_url(Customer), sent | {"answered": "yes", "profile": str(other.pk)}).content.decode()
        assert "3 of 4 customers will be billed by “Enterprise”" in page
        assert "Use a profile migration" not in page
        in_bulk(clerk, "pin", customers, profile=str(other.pk))
        assert pinned() == 3

    def test_several_selections_add_up_and_one_by_one_too(self, clerk):
        customers, profile = people(5), str(enterprise().pk)
        assert said(in_bulk(clerk, "pin", customers[:2], profile=profile)) == []
        assert pinned() == 2
        assert "makes 4 customers" in said(in_bulk(clerk, "pin", customers[2:4], profile=profile))[0]
        clerk.do(customers[2], "pin", profile=profile, reason="x")
        assert pinned() == 3
        assert "makes 4 customers" in said(clerk.do(customers[3], "pin", profile=profile, reason="x"))[0]
        assert pinned() == 3
        # The same customer once more is no other one.
        clerk.do(customers[0], "unpin", reason="x")
        assert pinned() == 2

    def test_a_superuser_is_one_person_like_any_other(self, clerk):
        clerk.user.is_superuser = True
        clerk.user.save()
        in_bulk(clerk, "pin", people(4), profile=str(enterprise().pk))
        assert pinned() == 0

    def test_unpinning_and_removing_overrides_count_as_well(self, clerk):
        customers = people(4)
        for customer in customers:
            CustomerOverride.objects.create(customer=customer, billing_profile=enterprise())
        assert "makes 4 customers" in said(in_bulk(clerk, "unpin", customers))[0]
        assert pinned() == 4
        for customer in customers:
            response = clerk.do(customer, "remove-override", reason="x")
        assert "makes 4 customers" in said(response)[0]
        assert pinned() == 1

    def test_another_day_and_another_person_count_anew(self, clerk):
        customers, profile = people(5), str(enterprise().pk)
        in_bulk(clerk, "pin", customers[:3], profile=profile)
        in_bulk(Desk("Finance clerk", "carol"), "pin", customers[3:4], profile=profile)
        assert pinned() == 4
        CountedAct.objects.update(at=clock.real_now() - timedelta(hours=25))
        in_bulk(clerk, "pin", customers[4:], profile=profile)
        assert pinned() == 5

    def test_who_would_change_nothing_is_no_move(self, clerk):
        in_bulk(clerk, "pin", people(4), profile=str(make_default_profile().pk))
        assert pinned() == 4

    def test_another_default_for_too_many_waits_for_a_second_person(self, billing_admin):
        people(4)
        profile = enterprise()
        response = billing_admin.do(profile, "make-default", reason="New year")
        assert "4 customers without a pin would be billed by" in said(response)[0]
        profile.refresh_from_db()
        assert not profile.is_default
        other = Desk("Billing admin", "bob")
        other.do(ChangeRequest.objects.get(), "approve", reason="Agreed")
        profile.refresh_from_db()
        assert profile.is_default


class TestProfile:
    def form(self, profile, **changes):
        page = Desk("Billing admin", "reader").get(reverse("admin:customers_billingprofile_edit", args=[profile.pk]))
        form = page.context["adminform"].form
        values = {bound.html_name: bound.value() for bound in form}
        values = {name: value for name, value in values.items() if value not in (None, False)}
        values["dunning_days"] = "1, 3, 5, 7"
        return {**values, "change_reason": "x", "_confirmed": "yes"} | changes

    def edit(self, desk, profile, **changes):
        url = reverse("admin:customers_billingprofile_edit", args=[profile.pk])
        return desk.post(url, {k: v for k, v in self.form(profile, **changes).items() if v is not None}, follow=True)

    def test_terms_of_many_are_changed_by_two(self, billing_admin, limit_of_three):
        profile = make_default_profile()
        people(4)
        response = self.edit(billing_admin, profile, due_after="P60D")
        assert "The due after of 4 customers" in said(response)[0]
        profile.refresh_from_db()
        assert profile.due_after == "P30D"
        Desk("Billing admin", "bob").do(ChangeRequest.objects.get(), "approve", reason="")
        profile.refresh_from_db()
        assert profile.due_after == "P60D"

    def test_a_name_or_the_terms_of_few_are_changed_alone(self, billing_admin, limit_of_three):
        profile = make_default_profile()
        people(3)
        self.edit(billing_admin, profile, due_after="P60D", name="Standard")
        profile.refresh_from_db()
        assert (profile.due_after, profile.name) == ("P60D", "Standard")

    def test_tax_is_switched_off_by_two_even_for_one(self, billing_admin):
        profile = make_default_profile()
        people(1)
        response = self.edit(billing_admin, profile, tax_enabled=None)
        assert "The next invoices of 1 customer on “Default” would be without tax." in said(response)[0]
        profile.refresh_from_db()
        assert profile.tax_enabled
        page = Desk("Billing admin", "bob").get(page_url(ChangeRequest.objects.get()))
        assert page.context["answers"] == [("Tax is computed", "no")]


class TestTaxOfACustomer:
    def own(self, desk, customer, **answers):
        page = desk.get(verb_url(customer, "own-settings"))
        form = page.context["form"]
        values = {bound.html_name: bound.value() or "" for bound in form} | {"reason": "Exempt"}
        return desk.do(customer, "own-settings", **(values | answers))

    def test_an_own_setting_waits_and_is_done_as_it_was_proposed(self, clerk):
        make_default_profile()
        customer = make_customer()
        response = self.own(clerk, customer, tax_enabled="no")
        assert "would be without tax" in said(response)[0]
        assert not CustomerOverride.objects.filter(tax_enabled=False).exists()
        request, approver = ChangeRequest.objects.get(), Desk("Finance approver")
        page = approver.get(page_url(request))
        assert page.context["answers"] == [("Tax is computed", "no")]
        assert f'href="{page_url(customer)}"' in page.content.decode()
        approver.do(request, "approve", reason="Certificate seen")
        assert approver.get(page_url(request)).context["answers"] == [("Tax is computed", "no")]
        assert CustomerOverride.objects.get(customer=customer).tax_enabled is False
        page = clerk.read(page_url(customer))
        assert "Exempt" in page

    def test_a_pin_to_a_profile_without_tax_is_the_same(self, clerk):
        make_default_profile()
        customer = make_customer()
        profile = enterprise()
        BillingProfile.objects.filter(pk=profile.pk).update(tax_enabled=False)
        response = clerk.do(customer, "pin", profile=str(profile.pk), reason="x")
        assert "would be without tax" in said(response)[0]
        assert pinned() == 0
        Desk("Finance approver").do(ChangeRequest.objects.get(), "approve", reason="")
        assert pinned() == 1


class TestDiscounts:
    def test_a_coupon_beyond_the_limit_waits(self, clerk):
        response = add_coupon(clerk)
        assert "The coupon LOYAL would take 80 % off." in said(response)[0]
        assert not Coupon.objects.exists()

    @pytest.mark.parametrize(
        ("changes", "exists"),
        [
            ({"percentage": "50"}, True),
            ({"percentage": "50.01"}, False),
            ({"percentage": "", "amount": "1000", "currency": "EUR"}, True),
            ({"percentage": "", "amount": "1000.01", "currency": "EUR"}, False),
            # A thousand yen are small change.
            ({"percentage": "", "amount": "1000000", "currency": "JPY"}, True),
        ],
    )
    def test_the_limit_itself_is_given_alone(self, clerk, changes, exists):
        add_coupon(clerk, **changes)
        assert Coupon.objects.exists() == exists

    @pytest.mark.parametrize(
        ("before", "changes", "waits"),
        [
            ({"redemption_limit": 1}, {"redemption_limit": ""}, True),
            ({"redemption_limit": 1}, {"redemption_limit": "2"}, True),
            ({"redemption_limit": 3}, {"redemption_limit": "2"}, False),
            ({"redemption_limit": None}, {"redemption_limit": "2"}, False),
            ({"redemption_limit": 3}, {"name": "For Acme"}, False),
            ({"percentage": 50, "redemption_limit": 1}, {"redemption_limit": ""}, False),
            ({"expires_at": at("2026-06-01")}, {"expires_at_0": "", "expires_at_1": ""}, True),
            ({"expires_at": at("2026-06-01")}, {"expires_at_0": "2026-07-01", "expires_at_1": "00:00"}, True),
            ({"expires_at": at("2026-06-01")}, {"expires_at_0": "2026-05-01", "expires_at_1": "00:00"}, False),
        ],
    )
    def test_a_large_coupon_is_given_to_more_only_by_two(self, clerk, before, changes, waits):
        coupon = Coupon.objects.create(**{"code": "LOYAL", "percentage": 80} | before)
        kept = {"name": "", "redemption_limit": coupon.redemption_limit or ""}
        if coupon.expires_at:
            kept |= {"expires_at_0": f"{coupon.expires_at:%Y-%m-%d}", "expires_at_1": f"{coupon.expires_at:%H:%M}"}
        clerk.post(page_url(coupon), kept | {"change_reason": "x", "_confirmed": "yes"} | changes, follow=True)
        assert ChangeRequest.objects.exists() == waits
        values = (coupon.name, coupon.redemption_limit, coupon.expires_at)
        coupon.refresh_from_db()
        assert ((coupon.name, coupon.redemption_limit, coupon.expires_at) == values) == waits

    @pytest.mark.parametrize(
        ("answers", "waits"),
        [
            ({"model": "flat", "amount": "25.00"}, False),
            ({"model": "flat", "amount": "24.99"}, True),
            ({"model": "free"}, True),
            ({"model": "flat", "amount": "50.00", "discount": "51"}, True),
            ({"model": "flat", "amount": "30.00", "discount": "20"}, True),  # 24.00 of 50.00
        ],
    )
    def test_a_price_of_a_customers_own_is_measured_against_the_plan(self, clerk, answers, waits):
        subscription = make_issued().lines.first().subscription
        with clock.frozen_at(START):
            url = f"{verb_url(subscription, 'edit-price')}?item=1"
            form = clerk.get(url).context["form"]
            typed = {bound.html_name: bound.value() or "" for bound in form if bound.html_name != "tiers"}
            typed |= {"timing": "next_billing_cycle", "reason": "x", "confirmed": "yes", "item": "1"} | answers
            if answers["model"] == "free":
                typed["amount"] = ""
            clerk.post(url, {name: value for name, value in typed.items() if value is not False}, follow=True)
        assert ChangeRequest.objects.exists() == waits
        assert subscription.items.get(running_number=1).revisions.filter(is_edited=True).exists() != waits


class TestAsking:
    """What needs a second person is proposed only once the author said so, on a button that says it."""

    BUTTON = re.compile(r'<button type="submit" class="ch-button [^"]*">([^<]*)</button>')

    def asked(self, response):
        page = response.content.decode()
        assert "A second person is needed." in page
        assert not ChangeRequest.objects.exists()
        return self.BUTTON.findall(page)[0]

    def test_a_form_that_one_person_may_not_save_asks_first(self, clerk):
        answers = {name: value for name, value in COUPON.items() if name != "_confirmed"}
        url = reverse("admin:subscriptions_coupon_add")
        response = clerk.post(url, answers)
        assert self.asked(response) == "Propose"
        assert "The coupon LOYAL would take 80 % off." in response.content.decode()
        sent = dict(response.context["posted"])
        # "Answer anew" leads back to the form, with what was typed.
        form = clerk.post(url, sent | {"_confirmed": "yes", "_again": "yes"}).context["adminform"].form
        assert (form["code"].value(), form["percentage"].value(), form.errors) == ("LOYAL", "80", {})
        clerk.post(url, sent | {"_confirmed": "yes"})
        change = ChangeRequest.objects.get()
        assert (change.what, change.reason) == ("Add coupon: LOYAL", "Loyal for ten years")
        assert not Coupon.objects.exists()

    def test_what_one_person_may_is_saved_at_once(self, clerk):
        answers = {name: value for name, value in COUPON.items() if name != "_confirmed"} | {"percentage": "10"}
        clerk.post(reverse("admin:subscriptions_coupon_add"), answers)
        assert Coupon.objects.exists()

    def test_a_customers_address(self, clerk):
        TaxRate.objects.create(country="DE", rate=19, name="VAT", valid_from=at("2020-01-01"))
        make_default_profile()
        customer = make_subscriber(make_excess_plan(), country="DE")
        url = reverse("admin:customers_customer_edit", args=[customer.pk])
        form = clerk.get(url).context["adminform"].form
        sent = {bound.html_name: bound.value() or "" for bound in form} | {"country": "US"}
        response = clerk.post(page_url(customer), sent)
        assert self.asked(response) == "Propose"
        assert response.context["changes"] == [("Country", "Germany (DE)", "United States (US)")]
        assert heading(response.content.decode()) == "Customers > Customers > Acme > Change customer"

    def test_a_tax_rate(self, billing_admin):
        make_customer(country="DE")
        TaxRate.objects.create(country="DE", rate=19, name="VAT", valid_from=at("2020-01-01"))
        sent = {"name": "VAT", "country": "DE", "region": "", "category": "", "rate": "1", "valid_from_0": "2126-01-01"}
        sent |= {"valid_from_1": "00:00", "valid_to_0": "", "valid_to_1": "", "change_reason": "x"}
        response = billing_admin.post(reverse("admin:invoicing_taxrate_add"), sent)
        assert self.asked(response) == "Propose"
        typed = {label: after for label, _, after in response.context["changes"]}
        assert typed["Rate in percent"] == "1" and typed["Valid from"] == "1 Jan 2126 00:00 UTC"

    def test_own_settings_and_pins_one_by_one_and_in_bulk(self, clerk):
        make_default_profile()
        customer, other = make_customer(), make_customer(key="other", name="Other")
        form = clerk.get(verb_url(customer, "own-settings")).context["form"]
        sent = {bound.html_name: bound.value() or "" for bound in form} | {"reason": "x", "tax_enabled": "no"}
        assert self.asked(clerk.post(verb_url(customer, "own-settings"), sent)) == "Propose"
        profile = enterprise()
        BillingProfile.objects.filter(pk=profile.pk).update(tax_enabled=False)
        to_it = {"profile": str(profile.pk), "reason": "x"}
        assert self.asked(clerk.post(verb_url(customer, "pin"), to_it)) == "Propose"
        chosen = {"action": "pin", ACTION_CHECKBOX_NAME: [str(customer.pk), str(other.pk)], "answered": "yes"}
        assert self.asked(clerk.post(list_url(Customer), chosen | to_it)) == "Propose"
        CustomerOverride.objects.create(customer=other, tax_enabled=False)
        response = clerk.post(list_url(Customer), chosen | to_it)
        assert self.asked(response) == "Pin to profile, propose where needed"
        page = response.content.decode()
        assert "the others are done at once" in page
        assert "1 of 2 customers will be billed by “Enterprise”" in page and page.count("Needs approval") == 1

    def test_a_profile_and_another_default(self, billing_admin, limit_of_three):
        people(4)
        profile = make_default_profile()
        sent = TestProfile().form(profile, due_after="P60D", _confirmed=None)
        url = reverse("admin:customers_billingprofile_edit", args=[profile.pk])
        response = billing_admin.post(url, {name: value for name, value in sent.items() if value is not None})
        assert self.asked(response) == "Propose"
        assert heading(response.content.decode()) == "Customers > Billing profiles > Default > Propose changes"
        assert self.asked(billing_admin.post(verb_url(enterprise(), "make-default"), {"reason": "x"})) == "Propose"

    def test_a_price_of_a_customers_own(self, clerk):
        subscription = make_issued().lines.first().subscription
        with clock.frozen_at(START):
            url = f"{verb_url(subscription, 'edit-price')}?item=1"
            form = clerk.get(url).context["form"]
            typed = {bound.html_name: bound.value() or "" for bound in form if bound.html_name != "tiers"}
            typed |= {"timing": "next_billing_cycle", "reason": "x", "item": "1", "model": "flat", "amount": "24.99"}
            sent = {name: value for name, value in typed.items() if value is not False}
            assert self.asked(clerk.post(url, sent)) == "Propose"

    def test_a_verb_without_a_page_of_its_effects(self, billing_admin):
        key, _ = create_api_key(name="Sync", scopes=["*"], created_by=billing_admin.user)
        assert self.asked(billing_admin.post(verb_url(key, "act-alone"), {"reason": "x"})) == "Propose"


class TestRequest:
    def proposed(self, clerk, **changes):
        add_coupon(clerk, **changes)
        return ChangeRequest.objects.get()

    def test_it_is_done_once_by_somebody_else_and_the_trail_says_who(self, clerk, approver):
        change = self.proposed(clerk)
        approver.do(change, "approve", reason="Agreed")
        coupon = Coupon.objects.get()
        assert (coupon.code, coupon.percentage) == ("LOYAL", Decimal(80))
        approver.do(change, "approve", reason="Agreed")
        assert Coupon.objects.count() == 1
        trail = list(AuditEntry.objects.order_by("id").values_list("verb", "actor_label", "reason"))
        assert trail == [
            ("changerequest.proposed", "Clerk", "Loyal for ten years"),
            ("changerequest.applied", "Approver", "Agreed"),
            ("coupon.created", "Approver", "Loyal for ten years"),
        ]

    def test_its_author_does_not_approve_it(self, approver):
        change = self.proposed(approver)
        response = approver.do(change, "approve", reason="")
        assert said(response) == ["You proposed it: somebody else must approve it."]
        assert not Coupon.objects.exists()
        approver.user.is_superuser = True
        approver.user.save()
        approver.do(change, "approve", reason="")
        assert not Coupon.objects.exists()

    def test_a_clerk_may_not_approve(self, clerk):
        change = self.proposed(clerk)
        assert Desk("Finance clerk", "carol").do(change, "approve", reason="").status_code == 403

    def test_who_may_not_do_the_change_itself_may_not_approve_it(self, billing_admin, limit_of_three, approver):
        people(4)
        billing_admin.do(enterprise(), "make-default", reason="x")
        response = approver.do(ChangeRequest.objects.get(), "approve", reason="")
        assert said(response) == ["Your role may not do this change itself."]

    def test_what_is_refused_by_now_is_not_done_and_waits_on(self, clerk, approver):
        change = self.proposed(clerk)
        Coupon.objects.create(code="LOYAL", percentage=10)
        assert "LOYAL" in said(approver.do(change, "approve", reason=""))[0]
        change.refresh_from_db()
        assert change.status == "waiting"

    def test_declined_withdrawn_or_expired_it_is_not_done(self, clerk, approver):
        change = self.proposed(clerk)
        approver.do(change, "decline", reason="Too much")
        approver.do(change, "approve", reason="")
        second = self.proposed_again(clerk)
        clerk.do(second, "withdraw", reason="")
        approver.do(second, "approve", reason="")
        third = self.proposed_again(clerk)
        ChangeRequest.objects.filter(pk=third.pk).update(expires_at=clock.real_now())
        approver.do(third, "approve", reason="")
        assert not Coupon.objects.exists()
        assert "Proposed" not in [tile.label for tile in clerk.get("/admin/").context["tiles"]]

    def proposed_again(self, clerk):
        add_coupon(clerk)
        return ChangeRequest.objects.order_by("-id").first()

    def test_the_same_proposal_twice_is_one(self, clerk):
        add_coupon(clerk)
        add_coupon(clerk)
        assert ChangeRequest.objects.count() == 1

    def test_the_start_page_counts_what_waits_and_leads_there(self, clerk, approver):
        change = self.proposed(clerk)
        [tile] = [tile for tile in approver.get("/admin/").context["tiles"] if tile.label == "Proposed"]
        assert tile.count == approver.get(tile.url).context["cl"].result_count == 1
        page = approver.read(page_url(change))
        for text in ("Add coupon: LOYAL", "would take 80 % off", "Loyal for ten years", "Clerk"):
            assert text in page, text


class TestKeys:
    @pytest.mark.parametrize(("verb", "scope"), [("act-alone", "approvals:write"), ("set-up", "setup:write")])
    def test_a_key_of_staff_acts_alone_only_once_a_second_person_approved(self, billing_admin, verb, scope):
        key, _ = create_api_key(name="Sync", scopes=["*"], created_by=billing_admin.user)
        assert not key.allows(scope)
        billing_admin.do(key, verb, reason="Nightly sync")
        assert not ApiKey.objects.get(pk=key.pk).allows(scope)
        Desk("Billing admin", "bob").do(ChangeRequest.objects.get(), "approve", reason="")
        assert ApiKey.objects.get(pk=key.pk).scopes == ["*", scope]
        assert ApiKey.objects.get(pk=key.pk).allows(scope)

    @pytest.mark.parametrize("scope", ["approvals:write", "setup:write"])
    def test_the_scope_is_not_given_with_the_key(self, billing_admin, scope):
        form = {"name": "Sync", "scopes": [scope], "expires_at_0": "", "expires_at_1": ""}
        billing_admin.post(reverse("admin:access_apikey_add"), form)
        assert not ApiKey.objects.exists()
