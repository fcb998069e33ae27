"""A Stripe app on the fake, and its webhook."""

import pytest

from core import clock
from core.ids import to_text
from invoicing.payments.connect_stripe import install_stripe
from tests.support.charges import KEY
from tests.support.closing import START
from tests.support.fake_stripe import signature


@pytest.fixture
def app(fake):
    return install_stripe(name="Stripe EU", api_key=KEY, webhook_secret="whsec_1")


@pytest.fixture
def hear(app, client):
    """Sends a body to the app's webhook as Stripe does."""

    def send(body, *, secret="whsec_1", to=None, at=None):
        with clock.frozen_at(START):
            return client.post(
                f"/api/v1/apps/{to_text((to or app).pk)}/stripe/webhook",
                body,
                content_type="application/json; charset=utf-8",
                headers={"Stripe-Signature": signature(body, secret, at=at)},
            )

    return send
