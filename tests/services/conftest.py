"""Two profiles and six customers of the old one, for the tests of moves; the new one charges cards, at our own app."""

import pytest

from invoicing.gateways import GATEWAYS
from tests.support.catalog import make_plan
from tests.support.customers import make_default_profile
from tests.support.moves import CardApp, make_card_profile, make_customers


@pytest.fixture
def old(db):
    return make_default_profile()


@pytest.fixture
def cards(monkeypatch):
    app = CardApp()
    monkeypatch.setitem(GATEWAYS, "stripe", app)
    return app


@pytest.fixture
def new(old, cards):
    return make_card_profile()


@pytest.fixture
def customers(old, new):
    return make_customers(6, make_plan(), app=new.app)
