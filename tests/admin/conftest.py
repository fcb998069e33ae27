import pytest

from tests.support.desk import Desk


@pytest.fixture
def clerk(db):
    return Desk("Finance clerk")


@pytest.fixture
def approver(db):
    return Desk("Finance approver")


@pytest.fixture
def billing_admin(db):
    return Desk("Billing admin")


@pytest.fixture
def auditor(db):
    return Desk("Auditor")
