"""Self-service and enterprise customers side by side: a card and three days, or a bank transfer and thirty."""

import pytest

from core import clock
from customers.models import BillingApp, BillingProfile
from customers.services.profile_input import ProfileInput
from customers.services.supplier_input import SupplierInput
from invoicing.drafts.approve_invoice import approve_invoice
from invoicing.gathering.live_totals import show_live
from invoicing.models import Invoice
from invoicing.profile_moves.pin_customer import override_billing, pin_customer
from invoicing.profile_moves.save_profile import create_profile
from tests.support.books import run_check
from tests.support.catalog import make_plan
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_customer, make_default_profile
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db

SUPPLIER = SupplierInput(name="My company Ltd", address={"country": "GB", "city": "Leeds"})


def make_profile(name: str, app_type: str, *, default: bool, **workflow: str) -> BillingProfile:
    app = BillingApp.objects.create(type=app_type, name=f"{name} app")
    said = {"collection_interval": "PT0S", **workflow}
    return create_profile(
        profile=ProfileInput(name=name, supplier=SUPPLIER, default=default, workflow=said, apps=(app.pk,) * 3)
    )


@pytest.fixture
def profiles():
    make_default_profile()
    with clock.frozen_at(at("2026-02-01")):
        saas = make_profile("SaaS", "sandbox", default=True, collection_method="charge_automatically", due_after="P3D")
        enterprise = make_profile(
            "Enterprise", "bank_transfer", default=False, collection_method="send_invoice", due_after="P30D"
        )
    return saas, enterprise


def terms(invoice):
    """Profile, app, method and due date of an invoice, and whether it is paid."""
    due = invoice.due_at.date().isoformat() if invoice.due_at else None
    return invoice.profile.name, invoice.app.type, invoice.collection_method, due, invoice.status


def invoices_of(customer):
    issued = Invoice.objects.filter(customer=customer, issued_at__isnull=False).order_by("sequence")
    return [terms(invoice) for invoice in issued]


def test_pinned_customers_get_the_one_and_all_others_the_other(profiles):
    _, enterprise = profiles
    plan = make_plan()
    acme, globex = make_customer(), make_customer(key="globex", name="Globex")
    pin_customer(customer=globex, profile=enterprise, reason="Signed PO 4711")
    for customer in (acme, globex):
        subscribe(plan, "2026-03-01", customer=customer, bill=False)
    run("2026-03-01")
    run("2026-04-01")
    assert invoices_of(acme) == [
        ("SaaS", "sandbox", "charge_automatically", "2026-03-04", "paid"),
        ("SaaS", "sandbox", "charge_automatically", "2026-04-04", "paid"),
    ]
    assert invoices_of(globex) == [
        ("Enterprise", "bank_transfer", "send_invoice", "2026-03-31", "overdue"),
        ("Enterprise", "bank_transfer", "send_invoice", "2026-05-01", "issued"),
    ]
    code, said = run_check(now="2026-04-01T00:05")
    assert code == 0, said


def test_pinning_with_a_draft_open_changes_only_the_next_invoice(profiles):
    _, enterprise = profiles
    acme = make_customer()
    override_billing(customer=acme, profile=None, workflow={"auto_advance": False}, reason="Look at each")
    subscribe(make_plan(), "2026-03-01", customer=acme, bill=False)
    run("2026-03-01")
    draft = Invoice.objects.get(status="draft.manual_approval_needed")

    with clock.frozen_at(at("2026-03-02")):
        override_billing(customer=acme, profile=enterprise, workflow={}, reason="Now an enterprise")
        gathering = Invoice.objects.get(customer=acme, status="gathering")
        show_live([gathering])
        # A gathering invoice freezes nothing: the new terms show at once.
        assert terms(gathering) == ("Enterprise", "bank_transfer", "send_invoice", None, "gathering")
        assert gathering.workflow_snapshot["values"]["due_after"] == "P30D"
        # The month ahead has not begun: it is in no total yet (billing rules 6).
        assert (str(gathering.total), str(vars(gathering)["begins_later"])) == ("0.00", "50.00")

        draft.refresh_from_db()
        assert terms(draft)[:3] == ("SaaS", "sandbox", "charge_automatically")
        approve_invoice(invoice=draft)
    run("2026-03-02")
    run("2026-04-01")
    assert invoices_of(acme) == [
        ("SaaS", "sandbox", "charge_automatically", "2026-03-05", "paid"),
        ("Enterprise", "bank_transfer", "send_invoice", "2026-05-01", "issued"),
    ]
    # One supplier, one series: the move continues it.
    assert sorted(Invoice.objects.filter(number__isnull=False).values_list("number", flat=True)) == [
        "MY-000001",
        "MY-000002",
    ]
    code, said = run_check(now="2026-04-01T00:05")
    assert code == 0, said
