"""Splitting a running period from the customer's page: what would be billed and what not is shown first."""

import pytest

from core import clock
from core.audit.models import AuditEntry
from invoicing.models import Invoice, ParkedCustomer
from tests.admin.pages import answered, confirmed, hidden, text_of
from tests.admin.test_lists import queries
from tests.services.test_split_now import begin
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile
from tests.support.desk import page_url, said, verb_url
from tests.support.usage import use

pytestmark = pytest.mark.django_db

ON = at("2026-04-10")
TENTH = {"moment_0": "2026-04-10", "moment_1": "00:00:00"}


@pytest.fixture
def acme():
    """50 calls at 1.00 by the fifth."""
    customer = begin()
    use("2026-04-05", 50)
    return customer


def made():
    return Invoice.objects.exclude(status="gathering").count()


def test_it_asks_up_to_when_with_now_filled_in(acme, approver):
    with clock.frozen_at(ON):
        page = approver.read(verb_url(acme, "split-now"))
    assert 'value="2026-04-10"' in page
    assert "Up to when is the running usage of Acme to be billed?" in page


def test_what_would_be_billed_and_what_not_is_shown_before_it_is(acme, approver):
    page = answered(approver, acme, "split-now", ON, **TENTH)
    shown = text_of(page)
    for words in (
        "what was used up to 10 Apr 2026 00:00 UTC ; nothing is written yet",
        "Calls 1 Apr 2026 00:00 UTC to 10 Apr 2026 00:00 UTC 50 50.00 EUR",
        "Total 50.00 EUR",
        "Split now? Reason: Agreed by phone",
        "What waits for the end of its period",
        "Its quantity is reported once for the whole period.",
        "A flat fee is billed whole.",
        "By volume, later usage changes what earlier usage costs.",
    ):
        assert words in shown, words
    assert made() == 0
    assert confirmed(approver, acme, "split-now", page, ON) == [
        "1 invoice made, over 50.00 EUR, for what was used up to 10 Apr 2026 00:00 UTC."
    ]
    assert made() == 1
    entry = AuditEntry.objects.get(verb="split_now")
    assert (entry.actor_label, entry.reason) == ("Approver", "Agreed by phone")


def test_usage_that_comes_meanwhile_is_shown_once_more(acme, approver):
    page = answered(approver, acme, "split-now", ON, **TENTH)
    use("2026-04-06", 5)
    with clock.frozen_at(ON):
        again = approver.post(verb_url(acme, "split-now"), hidden(page), follow=True).content.decode()
    assert "The figures have changed since you saw them." in again
    assert "Total 55.00 EUR" in text_of(again)
    assert made() == 0


@pytest.mark.parametrize(
    ("day", "words"),
    [
        ("2026-04-11", "It lies in the future. Choose now or an earlier time."),
        ("2026-04-08", "What was used up to 2026-04-09 00:00:00 UTC is billed already"),
    ],
)
def test_a_time_to_come_or_before_the_last_split_is_refused_at_the_form(acme, approver, day, words):
    confirmed(
        approver, acme, "split-now", answered(approver, acme, "split-now", ON, **TENTH | {"moment_0": "2026-04-09"}), ON
    )
    page = answered(approver, acme, "split-now", ON, moment_0=day, moment_1="00:00:00")
    assert words in text_of(page)
    assert made() == 1


def test_where_nothing_can_be_split_the_button_says_so(approver):
    page = answered(approver, begin(), "split-now", ON, **TENTH)
    shown = text_of(page)
    assert "Nothing can be split at that time." in shown
    assert "Calls EUR 1 Apr 2026 00:00 UTC to 1 May 2026 00:00 UTC What was used up to then costs nothing." in shown


def test_the_button_of_who_is_not_billed_progressively_says_where_that_is_turned_on(acme, approver):
    make_default_profile(progressive_billing=False)
    with clock.frozen_at(ON):
        page = text_of(approver.read(page_url(acme)))
        assert "Split now Acme is not billed progressively (default profile). Turn progressive billing on" in page
        assert (
            "Turn progressive billing on in the profile “Default”" in said(approver.do(acme, "split-now", **TENTH))[0]
        )
    assert made() == 0


def test_a_parked_customer_is_not_split(acme, approver):
    ParkedCustomer.objects.create(customer=acme, cause_code="no_price", cause="No price.")
    with clock.frozen_at(ON):
        assert "The customer is parked: No price. Release them first." in text_of(approver.read(page_url(acme)))
        assert said(approver.do(acme, "split-now", **TENTH)) == [
            "The customer is parked: No price. Release them first."
        ]
    assert made() == 0


def test_neither_a_clerk_nor_an_auditor_splits(acme, clerk, auditor):
    with clock.frozen_at(ON):
        for desk in (clerk, auditor):
            assert "Split now" not in desk.read(page_url(acme))
            assert desk.get(verb_url(acme, "split-now")).status_code == 403
            assert desk.do(acme, "split-now", reason="x", **TENTH).status_code == 403
    assert made() == 0


def test_the_customers_page_still_asks_twelve_queries_at_most(acme, billing_admin):
    with clock.frozen_at(ON):
        assert queries(billing_admin, page_url(acme)) <= 12
        assert queries(billing_admin, page_url(make_customer(key="new", name="New"))) <= 12
