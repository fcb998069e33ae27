"""A Stripe app on the fake."""

import pytest

from invoicing.services.connect_stripe import install_stripe
from tests.fake_stripe import FakeStripe, running
from tests.stripe.desk import KEY


@pytest.fixture
def fake(settings):
    fake = FakeStripe()
    with running(fake) as address:
        settings.STRIPE_API_BASE = address
        yield fake


@pytest.fixture
def app(fake):
    return install_stripe(name="Stripe EU", api_key=KEY, webhook_secret="whsec_1")
