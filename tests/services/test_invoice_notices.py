"""What other programs are told of invoices: made and changed, by whatever door, once each, as REST shows them."""

import json
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from core import clock
from core.ids import to_text
from core.notifications.models import Delivery, Event, Rule
from core.notifications.services.save_channel import create_channel
from core.notifications.services.save_rule import create_rule
from core.notifications.services.try_rule import example
from invoicing.drafts.approve_invoice import approve_invoice
from invoicing.models import Invoice, InvoiceNews
from invoicing.notices.tell_news import tell_news
from tests.support.api import Api, data
from tests.support.clock import at
from tests.support.closing import make_draft, make_issued, make_many
from tests.support.crowd import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def rules():
    channel, _ = create_channel(name="Orders", url="https://hooks.example.com/")
    for type in ("invoice.created", "invoice.updated"):
        create_rule(type=type, name=type, channel_ids=[channel.pk])


def told():
    """What the news so far come to: type and status of each event."""
    seen = set(Event.objects.values_list("pk", flat=True))
    tell_news()
    events = Event.objects.exclude(pk__in=seen).order_by("id")
    return [(event.type, json.loads(event.body)["data"]["statusDetails"]["extendedStatus"]) for event in events]


def test_without_a_rule_nothing_is_marked_and_nothing_told():
    make_issued()
    assert not InvoiceNews.objects.exists()
    assert tell_news() == 0
    assert not Event.objects.exists()


def test_an_invoice_is_told_of_when_it_is_made_and_with_each_state(rules):
    draft = make_draft()
    assert told() == [("invoice.created", draft.status)]
    assert told() == []
    with clock.frozen_at(draft.draft_until or at("2026-05-01")):
        approve_invoice(invoice=draft)
    draft.refresh_from_db()
    assert told() == [("invoice.updated", draft.status)]
    # A save that changes nothing to be seen, and what stands beside the invoice, is no news.
    Invoice.objects.update(updated_at=clock.now())
    assert told() == []
    assert Delivery.objects.count() == 2


def test_what_is_told_is_what_rest_shows(rules):
    invoice = make_issued()
    tell_news()
    event = Event.objects.get(type="invoice.created")
    shown = data(Api().get(f"/billing/invoices/{to_text(invoice.pk)}"))
    sent = json.loads(event.body, parse_float=Decimal)
    assert sent["data"] == shown
    assert event.customer_id == invoice.customer_id


def test_a_change_by_sql_is_told_and_one_that_is_rolled_back_is_not(rules):
    invoice = make_issued()
    told()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE invoicing_invoice SET status_note = 'by hand' WHERE id = %s", [invoice.pk])
    assert len(told()) == 1
    with pytest.raises(RuntimeError), transaction.atomic():
        Invoice.objects.update(status_note="never")
        raise RuntimeError
    assert told() == []


def test_many_changes_between_two_looks_are_told_once(rules):
    make_issued()
    told()
    for note in ("one", "two", "three"):
        Invoice.objects.update(status_note=note)
    assert InvoiceNews.objects.count() == 3
    assert len(told()) == 1
    assert json.loads(Event.objects.order_by("-id")[0].body)["data"]["validationIssues"][0]["message"] == "three"


def test_a_rule_that_ended_meanwhile_is_told_nothing(rules):
    make_issued()
    Rule.objects.update(disabled=True)
    assert told() == []
    assert not InvoiceNews.objects.exists()


def test_thirty_invoices_take_as_many_queries_as_three(rules):
    made = make_many(33)
    tell_news()
    counts = []
    for some in (made[:3], made[3:]):
        Invoice.objects.filter(pk__in=[invoice.pk for invoice in some]).update(status_note="seen")
        with CaptureQueriesContext(connection) as queries:
            assert tell_news() == len(some)
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.django_db(transaction=True)
def test_two_who_tell_at_once_tell_each_news_once(rules):
    make_many(30)
    news = InvoiceNews.objects.count()
    assert sum(at_once(tell_news, tell_news)) == news
    assert Event.objects.filter(type="invoice.created").count() == 30


@pytest.mark.parametrize("type", ["invoice.created", "invoice.updated"])
def test_the_example_has_the_fields_of_a_real_one(type):
    invoice = make_issued()
    shown = data(Api().get(f"/billing/invoices/{to_text(invoice.pk)}"))

    assert example(type).keys() == shown.keys()
    assert example(type)["lines"][0].keys() == shown["lines"][0].keys()
