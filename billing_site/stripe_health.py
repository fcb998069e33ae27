"""How a Stripe app is: what is wrong with it, and what was last heard from Stripe. The doctor and the admin say it."""

from dataclasses import dataclass

from django.conf import settings

from core.admin.words import moment_text
from core.crypto import CredentialUnreadable, decrypt
from customers.choices import AppStatus
from customers.models import BillingApp
from invoicing.choices import PaymentStatus
from invoicing.models import Payment, StripeAccount, StripeEvent


@dataclass(frozen=True, slots=True)
class StripeHealth:
    """`problems` as sentences, none when it can charge; `unknown` is how many charges have no known outcome."""

    app: BillingApp
    account: StripeAccount | None
    problems: tuple[str, ...]
    heard: str
    unknown: int


def health_of(app: BillingApp) -> StripeHealth:
    """What the database knows of the app; Stripe is not asked. Three queries."""
    account = StripeAccount.objects.filter(app=app).first()
    if account is None:
        return StripeHealth(app, None, (f"{app} has no API key.",), "", 0)
    problems = []
    if app.status == AppStatus.UNAUTHORIZED:
        problems.append(f"{app}: Stripe refused its API key. Nothing is charged by it until the key is replaced.")
    if account.livemode != (settings.STRIPE_MODE == "live"):
        problems.append(f"{app} has a key of the other mode than this site's, {settings.STRIPE_MODE}.")
    if not _readable(account.api_key):
        problems.append(f"{app}: its API key was encrypted with a key that this site lacks.")
    if account.webhook_secret and not _readable(account.webhook_secret):
        problems.append(f"{app}: its webhook secret was encrypted with a key that this site lacks.")
    last = StripeEvent.objects.filter(app=app).values_list("received_at", flat=True).first()
    heard = f"last webhook {moment_text(last)} UTC" if last else "no webhook came yet"
    unknown = Payment.objects.filter(app=app, status=PaymentStatus.UNKNOWN).count()
    return StripeHealth(
        app, account, tuple(problems), heard if account.webhook_secret else "no webhook secret", unknown
    )


def _readable(secret: str) -> bool:
    try:
        decrypt(secret)
    except CredentialUnreadable:
        return False
    return True
