"""The closed lists of words that customers and profiles use."""

from django.db import models


class CollectionMethod(models.TextChoices):
    CHARGE_AUTOMATICALLY = "charge_automatically", "Charge automatically"
    SEND_INVOICE = "send_invoice", "Send invoice"


class CollectionAlignment(models.TextChoices):
    SUBSCRIPTION = "subscription", "With the subscription's periods"
    ANCHORED = "anchored", "On a fixed rhythm"


class LateUsage(models.TextChoices):
    """What becomes of usage that comes in after the quantities of its period were fixed (billing rules 6)."""

    BILL = "bill", "Billed on the next invoice"
    ASK = "ask", "Waits for a decision"


class AppType(models.TextChoices):
    SANDBOX = "sandbox", "Sandbox"
    BANK_TRANSFER = "bank_transfer", "Bank transfer"
    STRIPE = "stripe", "Stripe"


class AppStatus(models.TextChoices):
    READY = "ready", "Ready"
    UNAUTHORIZED = "unauthorized", "Unauthorized"


class TaxBehavior(models.TextChoices):
    INCLUSIVE = "inclusive", "Prices include tax"
    EXCLUSIVE = "exclusive", "Tax comes on top"
