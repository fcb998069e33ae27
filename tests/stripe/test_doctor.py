"""What the doctor says of Stripe."""

import pytest

from billing_site.doctor import State, check_stripe
from customers.models import BillingApp

pytestmark = pytest.mark.django_db


def test_nothing_installed_is_worth_a_note():
    assert check_stripe().state is State.NOTE


def test_an_app_is_shown_with_its_account_and_mode(app):
    found = check_stripe()
    assert (found.state, found.sentence) == (State.OK, "Stripe EU: acct_fake (test), no webhook came yet.")


def test_a_refused_or_unreadable_key_or_one_of_the_other_mode_is_a_problem(app, settings):
    BillingApp.objects.filter(pk=app.pk).update(status="unauthorized")
    assert "refused its API key" in check_stripe().sentence
    BillingApp.objects.filter(pk=app.pk).update(status="ready")
    settings.STRIPE_MODE = "live"
    assert "other mode" in check_stripe().sentence
    settings.STRIPE_MODE = "test"
    settings.CREDENTIALS_KEYS = ["another"]
    found = check_stripe()
    assert (found.state, "this site lacks" in found.sentence) == (State.PROBLEM, True)
