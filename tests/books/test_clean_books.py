"""`manage.py check_books` finds nothing where nothing is broken."""

from decimal import Decimal

import pytest

from core import clock
from invoicing.models import ParkedCustomer
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.resume_subscription import resume_subscription
from invoicing.subscription_changes.update_item import update_item
from subscriptions.lifecycle.item_update import ItemUpdate
from tests.support.books import run_check
from tests.support.catalog import flat_plan
from tests.support.clock import at
from tests.support.closing import run
from tests.support.company import every_day, mixed_company
from tests.support.customers import make_customer
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db


def test_an_empty_database_is_clean():
    make_customer()
    assert run_check()[0] == 0


def test_a_mixed_company_is_clean_after_months():
    mixed_company().live(every_day("2026-01-01", "2026-04-05"))
    assert not ParkedCustomer.objects.exists()
    code, said = run_check(now="2026-04-05T00:05")
    assert code == 0, said
    assert "The books are right." in said


def test_a_period_that_was_extended_during_a_pause_and_resumed_early_is_no_finding():
    """The rest of the extended period is billed ahead; the time before it, from the resumption on, still waits."""
    subscription = subscribe(flat_plan("team", "10.00"))
    with clock.frozen_at(at("2026-04-11")):
        pause_subscription(subscription=subscription, timing="immediate")
    with clock.frozen_at(at("2026-04-12")):
        resume_subscription(subscription=subscription, timing=at("2026-05-01"))
    with clock.frozen_at(at("2026-04-16")):
        extended = ItemUpdate(product_id="base", quantity=Decimal(2), align=True, extend=True)
        update_item(subscription_id=subscription.id, running_number=1, update=extended)
        resume_subscription(subscription=subscription, timing=at("2026-04-21"))
    assert run_check(now="2026-04-16")[0] == 0
    run("2026-04-21")
    assert run_check(now="2026-04-21")[0] == 0
