"""How customers pay in tests."""

from customers.models import BillingApp
from tests.support.customers import make_default_profile


def pays_by_bank():
    """From here on customers pay by bank transfer: what is issued stays due."""
    app = BillingApp.objects.create(type="bank_transfer", name="Bank")
    make_default_profile(app=app, collection_method="send_invoice", tax_enabled=True)
