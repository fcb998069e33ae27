"""What lies between a proposal and its approval: other changes, and an app outside that has to be asked."""

from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from core.approvals.models import ChangeRequest
from customers.models import BillingProfile, CustomerAppData, CustomerOverride
from invoicing.gateways import GATEWAYS
from tests.support.catalog import make_plan
from tests.support.customers import make_customer, make_default_profile
from tests.support.desk import Desk, said, verb_url
from tests.support.moves import CardApp, make_card_profile, make_customers


class WatchedApp(CardApp):
    """Notes whether a transaction was open when it was asked."""

    def __init__(self):
        super().__init__()
        self.in_transaction = []

    @contextmanager
    def checking(self, app):
        self.in_transaction.append(connection.in_atomic_block)
        with super().checking(app) as check:
            yield check


@pytest.fixture
def cards(monkeypatch):
    app = WatchedApp()
    monkeypatch.setitem(GATEWAYS, "stripe", app)
    return app


def own(desk, customer, **answers):
    form = desk.get(verb_url(customer, "own-settings")).context["form"]
    values = {bound.html_name: bound.value() or "" for bound in form} | {"reason": "x"}
    return desk.do(customer, "own-settings", **(values | answers))


def approve():
    return Desk("Finance approver").do(ChangeRequest.objects.get(), "approve", reason="")


@pytest.mark.django_db
class TestChangedMeanwhile:
    def test_what_somebody_else_set_is_not_undone_unseen(self, clerk):
        make_default_profile()
        customer = make_customer()
        own(clerk, customer, tax_enabled="no")
        carol = Desk("Finance clerk", "carol")
        own(carol, customer, due_after="P60D")
        assert CustomerOverride.objects.get(customer=customer).due_after == "P60D"
        [sentence] = said(approve())
        assert "before something else was changed there: due after. Nothing was done" in sentence
        override = CustomerOverride.objects.get(customer=customer)
        assert (override.due_after, override.tax_enabled) == ("P60D", None)
        assert ChangeRequest.objects.get().status == "waiting"
        # Proposed anew, it stands beside what was set.
        own(clerk, customer, tax_enabled="no")
        change = ChangeRequest.objects.latest("created_at")
        Desk("Finance approver", "dora").do(change, "approve", reason="")
        override.refresh_from_db()
        assert (override.due_after, override.tax_enabled) == ("P60D", False)

    def test_what_is_not_in_the_form_may_change(self, clerk):
        profile = make_default_profile()
        customer = make_customer()
        own(clerk, customer, tax_enabled="no")
        customer.name = "Acme Ltd"
        customer.save()
        BillingProfile.objects.filter(pk=profile.pk).update(name="Standard")
        approve()
        assert CustomerOverride.objects.get(customer=customer).tax_enabled is False


@pytest.mark.django_db(transaction=True)
class TestAskedOutside:
    def taxless_cards(self):
        make_default_profile()
        profile = make_card_profile(tax_enabled=False)
        [customer] = make_customers(1, make_plan(), app=profile.app)
        return customer, profile

    def test_the_app_is_asked_before_the_transaction_of_the_approval(self, cards):
        customer, profile = self.taxless_cards()
        Desk("Finance clerk").do(customer, "pin", profile=str(profile.pk), reason="x")
        assert "would be without tax" in ChangeRequest.objects.get().effect
        approve()
        assert CustomerOverride.objects.get(customer=customer).billing_profile == profile
        assert len(cards.in_transaction) >= 2
        assert not any(cards.in_transaction)

    def test_what_it_says_by_then_refuses_the_move(self, cards):
        customer, profile = self.taxless_cards()
        Desk("Finance clerk").do(customer, "pin", profile=str(profile.pk), reason="x")
        CustomerAppData.objects.all().delete()
        assert "was not moved to" in said(approve())[0]
        assert not CustomerOverride.objects.filter(billing_profile=profile).exists()
        assert ChangeRequest.objects.get().status == "waiting"

    @pytest.mark.parametrize("verb", ["unpin", "remove-override"])
    def test_so_is_that_of_the_default(self, cards, verb):
        customer, taxless = self.taxless_cards()
        default = BillingProfile.objects.get(is_default=True)
        CustomerOverride.objects.create(customer=customer, billing_profile=default)
        with transaction.atomic():
            BillingProfile.objects.filter(pk=default.pk).update(is_default=False)
            BillingProfile.objects.filter(pk=taxless.pk).update(is_default=True)
        Desk("Finance clerk" if verb == "unpin" else "Finance approver", "ada").do(customer, verb, reason="x")
        approve()
        assert not CustomerOverride.objects.filter(billing_profile=default).exists()
        assert cards.in_transaction
        assert not any(cards.in_transaction)
