"""Whoever changes profiles takes everybody's lock first, so that nobody waits in a circle."""

from dataclasses import replace
from threading import Event

import pytest
from django.db import transaction

from core.locks import lock_customers, lock_every_customer
from customers.models import BillingProfile, Supplier
from customers.services.profile_input import ProfileInput
from customers.services.supplier_input import SupplierInput
from invoicing.profile_moves.make_default_profile import make_default_profile
from invoicing.profile_moves.save_profile import create_profile, update_profile
from tests.support.crowd import at_once
from tests.support.customers import enterprise, make_customer
from tests.support.customers import make_default_profile as first_profile
from tests.support.workers import wait_until_blocked

pytestmark = pytest.mark.django_db(transaction=True)


def said(name, *, supplier=None, default=False):
    who = (
        SupplierInput(key="main")
        if supplier is None
        else SupplierInput(key=supplier, name=supplier, address={"country": "US"})
    )
    return ProfileInput(name=name, supplier=who, default=default, workflow={})


def switch():
    make_default_profile(profile=BillingProfile.objects.get(name="Enterprise"))


def create():
    apps = (BillingProfile.objects.get(name="Enterprise").app_id,) * 3
    create_profile(profile=replace(said("Third", supplier="third", default=True), apps=apps))


def update():
    update_profile(profile=BillingProfile.objects.get(name="Enterprise"), replacement=said("Enterprise", default=True))


@pytest.mark.parametrize("other", [switch, create, update])
def test_an_update_that_has_everybody_waits_for_nobody_who_waits_for_it(other):
    """It goes on to add a supplier and to switch the default: both are free, as the other holds nothing."""
    enterprise()
    cards = enterprise(name="Cards")
    has_everybody = Event()

    @transaction.atomic
    def first():
        lock_every_customer()
        has_everybody.set()
        wait_until_blocked("pg_advisory_xact_lock")
        update_profile(profile=cards, replacement=said("Cards", supplier="second", default=True))

    def then():
        assert has_everybody.wait(timeout=30)
        other()

    at_once(first, then)
    default = BillingProfile.objects.get(is_default=True)
    assert default.name == ("Third" if other is create else "Enterprise")
    assert Supplier.objects.filter(key="second").exists()


def test_an_update_waits_for_a_close_whatever_it_says():
    """It says what is stored as it begins, while somebody else is about to store another rhythm: it changes that."""
    profile, customer, begun = first_profile(), make_customer(), Event()
    stored = BillingProfile.objects.filter(pk=profile.pk)

    @transaction.atomic
    def close():
        lock_customers([customer.pk])
        stored.update(collection_alignment="anchored", collection_cadence="P1M")
        begun.set()
        wait_until_blocked("pg_advisory_xact_lock")

    def change():
        assert begun.wait(timeout=30)
        update_profile(profile=profile, replacement=said("Renamed", default=True))

    at_once(close, change)
    assert stored.values_list("name", "collection_alignment").get() == ("Renamed", "subscription")
