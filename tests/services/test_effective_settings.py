"""Whoever asks for a customer's terms, as they are or would be, gets the same order: own, then pin or default."""

import pytest

from customers.effective_settings import Terms, terms_if, terms_of, terms_of_loaded, terms_under
from customers.models import Customer, CustomerOverride
from tests.support.customers import enterprise, make_customer, make_default_profile

pytestmark = pytest.mark.django_db


@pytest.fixture
def default():
    return make_default_profile(due_after="P30D", draft_period="P1D")


@pytest.fixture
def enterprise_profile(default):
    return enterprise(due_after="P60D", draft_period="P2D")


def said(terms: Terms) -> tuple[str, str | None, str, str | None]:
    """When an invoice is due, and until when it can be looked at, each with who says so."""
    values, origins = terms.settings.values, terms.settings.origins
    return values["due_after"], origins["due_after"], values["draft_period"], origins["draft_period"]


OWN_AND_DEFAULT = ("P7D", "override", "P1D", "default profile")
OWN_AND_PIN = ("P7D", "override", "P2D", "pin: Enterprise")
PIN = ("P60D", "pin: Enterprise", "P2D", "pin: Enterprise")
DEFAULT = ("P30D", "default profile", "P1D", "default profile")


@pytest.mark.parametrize(
    ("own", "pinned", "now"),
    [(False, False, DEFAULT), (False, True, PIN), (True, False, OWN_AND_DEFAULT), (True, True, OWN_AND_PIN)],
)
def test_the_terms_of_a_customer(own, pinned, now, default, enterprise_profile):
    customer = make_customer()
    override = None
    if own or pinned:
        override = CustomerOverride.objects.create(
            customer=customer,
            billing_profile=enterprise_profile if pinned else None,
            due_after="P7D" if own else None,
        )
    loaded = Customer.objects.select_related(
        "billing_override__billing_profile__supplier", "billing_override__billing_profile__app"
    ).get()

    assert said(terms_of([customer.id])[customer.id]) == now
    assert said(terms_of_loaded(loaded)) == now
    # As they would be: pinned, pinned to none, and with settings of their own, or without any.
    assert said(terms_under([customer.id], enterprise_profile)[customer.id]) == (OWN_AND_PIN if own else PIN)
    assert said(terms_if(override, enterprise_profile)) == (OWN_AND_PIN if own else PIN)
    assert said(terms_if(override, None)) == (OWN_AND_DEFAULT if own else DEFAULT)
    assert said(terms_if(override, enterprise_profile, own={"due_after": "P7D"})) == OWN_AND_PIN
    assert said(terms_if(override, enterprise_profile, own={})) == PIN
    assert said(terms_if(override, None, own={})) == DEFAULT
