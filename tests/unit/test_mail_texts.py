"""The texts of e-mails, each to the letter, and that they stand nowhere but in their files."""

import ast
from pathlib import Path

import pytest

from core.outbox.services.mail_text import render_mail

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = ("core", "customers", "entitlements", "subscriptions", "invoicing", "billing_site")
# Names that HTML would escape, and dates and amounts that a locale would write anew, stay as they are given.
SAMPLE = {
    "customer": "Smith & Sons <Ltd>",
    "supplier": 'Tom\'s "Company"',
    "number": "INV-000001",
    "amount": "1234.50",
    "currency": "EUR",
    "day": "5 March 2026",
    "message": "The card's limit is < 50 EUR.",
    "subscription": "Pro & more",
    "successor": "Scale {{ day }}",
    "addon": "Seats",
    "quantity": "1000",
    "item": "api_calls",
}
CHANGED = "Your subscription Pro & more has changed"
TEXTS = {
    "invoice_issued": (
        'Invoice INV-000001 from Tom\'s "Company"',
        "Hello Smith & Sons <Ltd>,\n\nyour invoice INV-000001 over 1234.50 EUR is due on 5 March 2026.\n",
    ),
    "invoice_overdue": (
        "Invoice INV-000001 is overdue",
        "Hello Smith & Sons <Ltd>,\n\n"
        "1234.50 EUR of invoice INV-000001 was due on 5 March 2026 and has not been paid.\n",
    ),
    "payment_failed": (
        "Payment of invoice INV-000001 failed",
        "Hello Smith & Sons <Ltd>,\n\n"
        "we could not collect 1234.50 EUR for invoice INV-000001: The card's limit is < 50 EUR.\n",
    ),
    "payment_to_confirm": (
        "Please confirm the payment of invoice INV-000001",
        "Hello Smith & Sons <Ltd>,\n\n"
        "your bank asks you to confirm the payment of 1234.50 EUR for invoice INV-000001.\n",
    ),
    "subscription_started": (
        "Your subscription to Pro & more",
        "Hello Smith & Sons <Ltd>,\n\nyou subscribed to Pro & more, starting on 5 March 2026.\n",
    ),
    "subscription_ends": (
        CHANGED,
        "Hello Smith & Sons <Ltd>,\n\nyour subscription Pro & more ends on 5 March 2026.\n",
    ),
    "subscription_ended": (
        CHANGED,
        "Hello Smith & Sons <Ltd>,\n\nyour subscription Pro & more ended on 5 March 2026.\n",
    ),
    "plan_changed": (
        CHANGED,
        "Hello Smith & Sons <Ltd>,\n\nyour subscription Pro & more changes to Scale {{ day }} on 5 March 2026.\n",
    ),
    "addon_bought": (
        CHANGED,
        "Hello Smith & Sons <Ltd>,\n\nyour subscription Pro & more gets Seats on 5 March 2026.\n",
    ),
    "addon_quantity_changed": (
        CHANGED,
        "Hello Smith & Sons <Ltd>,\n\nyour subscription Pro & more has 1000 of Seats on 5 March 2026.\n",
    ),
    "item_quantity_changed": (
        CHANGED,
        "Hello Smith & Sons <Ltd>,\n\nthe quantity of api_calls in your subscription Pro & more is now 1000.\n",
    ),
}
USES = {
    "invoice_issued": "customer supplier number amount currency day",
    "invoice_overdue": "customer number amount currency day",
    "payment_failed": "customer number amount currency message",
    "payment_to_confirm": "customer number amount currency",
    "subscription_started": "customer subscription day",
    "subscription_ends": "customer subscription day",
    "subscription_ended": "customer subscription day",
    "plan_changed": "customer subscription successor day",
    "addon_bought": "customer subscription addon day",
    "addon_quantity_changed": "customer subscription quantity addon day",
    "item_quantity_changed": "customer subscription item quantity",
}


@pytest.mark.parametrize("name", TEXTS)
def test_each_mail_says_this(name: str):
    text = render_mail(name, {key: SAMPLE[key] for key in USES[name].split()})

    assert (text.subject, text.body) == TEXTS[name]


def test_a_mail_with_a_gap_or_an_idle_value_is_refused():
    given = {"customer": "Acme", "subscription": "Pro", "day": "5 March 2026"}

    with pytest.raises(KeyError, match="plan_changed"):
        render_mail("plan_changed", given)
    with pytest.raises(KeyError, match="subscription_ends"):
        render_mail("subscription_ends", {**given, "successor": "Scale"})


def test_every_file_is_sent_by_some_service_and_checked_here():
    files = {path.stem for path in (ROOT / "templates/mail").iterdir()}
    words = {node.value for _, tree in modules() for node in ast.walk(tree) if isinstance(node, ast.Constant)}

    assert files == set(TEXTS) == set(USES)
    assert files <= words


def test_no_mail_is_written_in_code():
    """`MailText` is what an `Email` takes, and one place makes it; one place hands mails to Django."""
    makers = {"MailText", "EmailMessage", "EmailMultiAlternatives", "send_mail", "send_mass_mail", "mail_admins"}
    found, texts = [], []
    for path, tree in modules():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            called = getattr(call.func, "id", None) or getattr(call.func, "attr", None)
            if called in makers:
                found.append((path, called))
            if called in ("Email", "enqueue_email") and path != "core/outbox/services/enqueue.py":
                texts += [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "text"]

    assert found == [
        ("core/outbox/services/deliver.py", "EmailMessage"),
        ("core/outbox/services/mail_text.py", "MailText"),
    ]
    assert len(texts) > 5
    assert [text for text in texts if not text.startswith("render_mail(")] == []


def modules():
    for package in OURS:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())
