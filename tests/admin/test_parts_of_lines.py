"""A line that was split, on the pages of the invoices that its parts are on: the whole, in no total, and its parts."""

import pytest

from core import clock
from invoicing.gathering.invoice_pending_lines import invoice_pending_lines
from invoicing.issued.void_invoice import void_invoice
from invoicing.models import Invoice
from tests.admin.pages import text_of
from tests.admin.test_lists import queries
from tests.support.catalog import make_feature, make_meter
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_default_profile
from tests.support.desk import page_url
from tests.support.subscriptions import subscribe
from tests.support.usage import metered, use

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme():
    """Acme, billed progressively for calls at 1.00 each since 1 April."""
    make_default_profile(progressive_billing=True)
    return subscribe(metered(make_feature(key="calls", name="Calls", meter=make_meter()))).customer


def split(customer, on):
    with clock.frozen_at(at(on)):
        return invoice_pending_lines(customer=customer)


def read(desk, invoice, on):
    with clock.frozen_at(at(on)):
        return text_of(desk.read(page_url(invoice)))


def gathering():
    return Invoice.objects.get(status="gathering")


def test_each_part_shows_the_whole_with_its_parts_over_all_invoices(acme, clerk):
    """50 by the 10th, 75 more by the 20th, 30 more by the end: 50, 75, 30 at 1.00."""
    use("2026-04-05", 50)
    [first] = split(acme, "2026-04-10")
    use("2026-04-15", 75)
    [second] = split(acme, "2026-04-20")
    use("2026-04-25", 30)
    whole = "Calls Split 1 Apr 2026 00:00 UTC to 1 May 2026 00:00 UTC ; billed in parts, and in no total itself"
    parts = (
        "1 Apr 2026 00:00 UTC to 10 Apr 2026 00:00 UTC {} 50 50.00 EUR "
        "10 Apr 2026 00:00 UTC to 20 Apr 2026 00:00 UTC {} 75 75.00 EUR "
        "20 Apr 2026 00:00 UTC to 1 May 2026 00:00 UTC {}"
    )
    for invoice, where, last in (
        (first, ("this invoice", "INV-000002", "the gathering invoice"), " open not billed yet"),
        (second, ("INV-000001", "this invoice", "the gathering invoice"), " open not billed yet"),
        (gathering(), ("INV-000001", "INV-000002", "this invoice"), " 30 30.00 EUR"),
    ):
        page = read(clerk, invoice, "2026-04-26")
        assert whole in page
        assert parts.format(*where) + last in page
    page = clerk.get(page_url(second)).content.decode()
    assert page_url(first) in page and page_url(gathering()) in page
    run("2026-05-01")
    third = Invoice.objects.get(number="INV-000003")
    page = read(clerk, third, "2026-05-02")
    assert parts.format("INV-000001", "INV-000002", "this invoice") + " 30 30.00 EUR" in page
    assert "Total 30.00 EUR" in page


def test_a_part_is_explained_by_the_whole_and_what_was_frozen_before_it(acme, clerk):
    use("2026-04-05", 50)
    split(acme, "2026-04-10")
    use("2026-04-15", 75)
    [second] = split(acme, "2026-04-20")
    page = read(clerk, second, "2026-04-21")
    assert "Part of 1 Apr 2026 00:00 UTC to 1 May 2026 00:00 UTC" in page
    assert "Used of it so far 125 = 50 ( INV-000001 ) + 75 (this invoice)" in page
    assert "Billed earlier in the period sets the tier and uses up free units 50" in page


def test_a_part_on_a_voided_invoice_counts_no_more(acme, clerk):
    """The first of two parts is voided and billed again on a third invoice."""
    make_default_profile(collection_method="send_invoice")
    use("2026-04-05", 50)
    [first] = split(acme, "2026-04-10")
    use("2026-04-15", 75)
    [second] = split(acme, "2026-04-20")
    with clock.frozen_at(at("2026-04-21")):
        void_invoice(invoice=first, rebill=True, reason="Wrong")
    run("2026-04-21")
    third = Invoice.objects.get(number="INV-000003")
    page = read(clerk, second, "2026-04-22")
    assert "Used of it so far 125 = 50 ( INV-000003 ) + 75 (this invoice)" in page
    assert "INV-000001" not in page
    assert "Used of it so far 50 = 50 (this invoice)" in read(clerk, third, "2026-04-22")
    # On its own page it stands beside the one that has its time now.
    page = read(clerk, first, "2026-04-22")
    assert "1 Apr 2026 00:00 UTC to 10 Apr 2026 00:00 UTC INV-000003 50 50.00 EUR" in page
    assert "1 Apr 2026 00:00 UTC to 10 Apr 2026 00:00 UTC this invoice 50 50.00 EUR" in page
    assert "Used of it so far" not in page


def test_a_line_that_was_not_split_shows_no_whole(acme, clerk):
    use("2026-04-05", 50)
    page = read(clerk, gathering(), "2026-04-12")
    assert "billed in parts" not in page
    assert "Part of" not in page


def test_the_page_asks_the_same_for_ten_parts_as_for_two(acme, billing_admin):
    asked = []
    for day in range(2, 12):
        use(f"2026-04-{day:02}", 5)
        [invoice] = split(acme, f"2026-04-{day:02}T12:00")
        if day in (3, 11):
            with clock.frozen_at(at(f"2026-04-{day:02}T13:00")):
                asked.append((queries(billing_admin, page_url(invoice)), queries(billing_admin, page_url(gathering()))))
    assert asked[0] == asked[1]
    assert asked[0][0] <= 18
