"""Writing and finding many rows at once gives what single rows would."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from core.bulk import update_rows
from core.jsontext import canonical_json
from core.many_ids import among
from customers.models import Customer, UsageSubject
from invoicing.models import BillingRun, ParkedCustomer
from subscriptions.models import Coupon
from tests.support.clock import at
from tests.support.customers import make_customer

pytestmark = pytest.mark.django_db

TEXTS = ["", "NULL", "null", 'a "quoted" one', "back\\slash", "{curly, with comma}", " blanks ", "日本\n語", "it's"]


def test_texts_come_back_as_they_were_given():
    customers = [make_customer(key=f"customer-{number}") for number in range(len(TEXTS))]
    changed = update_rows(Customer, ("name",), zip([c.id for c in customers], TEXTS, strict=True))
    assert changed == len(TEXTS)
    assert [Customer.objects.get(pk=customer.pk).name for customer in customers] == TEXTS


def test_every_kind_of_column_can_be_changed():
    customer, other = make_customer(), make_customer(key="other", name="Other")
    metadata = {"quote": '"', "back\\slash": "{,}"}
    moment = datetime(2026, 3, 17, 8, 30, 0, 123456, tzinfo=UTC)
    update_rows(
        Customer, ("currency", "metadata", "updated_at"), [(customer.id, None, canonical_json(metadata), moment)]
    )
    customer.refresh_from_db()
    assert (customer.currency, customer.metadata, customer.updated_at) == (None, metadata, moment)
    other.refresh_from_db()
    assert (other.name, other.currency) == ("Other", "EUR")

    coupon = Coupon.objects.create(code="A", percentage=Decimal(10))
    update_rows(
        Coupon, ("percentage", "periods", "expires_at"), [(coupon.id, Decimal("12.50"), None, at("2027-01-01"))]
    )
    coupon.refresh_from_db()
    assert (str(coupon.percentage), coupon.periods, coupon.expires_at) == ("12.50", None, at("2027-01-01"))


def test_rows_among_many_ids_are_those_that_in_finds(django_assert_num_queries):
    customers = [make_customer(key=f"customer-{number}") for number in range(3)]
    wanted = [customers[0].id, customers[2].id]
    with django_assert_num_queries(1):
        found = set(among(Customer.objects.all(), "id", wanted))
    assert found == {customers[0], customers[2]}
    subjects = among(UsageSubject.objects.filter(deleted_at__isnull=True), "customer__id", wanted)
    assert {subject.key for subject in subjects} == {"customer-0", "customer-2"}
    with django_assert_num_queries(0):
        assert not list(among(Customer.objects.all(), "id", []))


def test_ids_find_and_change_their_rows_also_where_one_is_empty():
    customers = [make_customer(key=f"customer-{number}") for number in range(2)]
    (subject,) = UsageSubject.objects.filter(customer=customers[0])
    assert update_rows(UsageSubject, ("customer_id",), [(subject.id, customers[1].id)]) == 1
    subject.refresh_from_db()
    assert subject.customer == customers[1]
    run = BillingRun.objects.create(as_of=at("2026-03-17"), trigger="schedule")
    parked = ParkedCustomer.objects.create(customer=customers[0], run=run, cause_code="no_price", cause="No price.")
    assert update_rows(ParkedCustomer, ("run_id",), [(parked.id, None)]) == 1
    parked.refresh_from_db()
    assert parked.run is None
