"""Connects apps to Stripe accounts: installs, replaces keys and webhook secrets."""

from contextlib import closing

from django.conf import settings
from django.db import transaction

from core.audit.services.record import record
from core.crypto import encrypt
from core.errors import FieldProblem, InvalidInput
from core.locks import lock_alone
from customers.choices import AppStatus, AppType
from customers.models import BillingApp
from invoicing.errors import OtherStripeAccount
from invoicing.gateways.stripe_gateway import StripeConnection, is_live_site
from invoicing.models import StripeAccount

_INSTALL_LOCK = 0x73747269  # "stri": installations queue up, so that each sees the accounts of those before


def install_stripe(
    *, name: str, description: str = "", api_key: str, webhook_secret: str = "", metadata: dict[str, str] | None = None
) -> BillingApp:
    """Install an app on the Stripe account that `api_key` belongs to, after asking Stripe whether it accepts the key.

    InvalidInput for a key of the other mode than this site's; StripeRefused where Stripe does not accept it;
    OtherStripeAccount where the account is installed already. None installs anything.
    """
    livemode = mode_of(api_key)
    account_id = _account_of(api_key)
    with transaction.atomic():
        lock_alone(_INSTALL_LOCK)
        if StripeAccount.objects.filter(account_id=account_id, livemode=livemode, app__deleted_at=None).exists():
            raise OtherStripeAccount(f"The Stripe account {account_id} is installed already. Nothing was installed.")
        app = BillingApp.objects.create(
            type=AppType.STRIPE, name=name, description=description, metadata=metadata or {}, status=AppStatus.READY
        )
        StripeAccount.objects.create(
            app=app,
            account_id=account_id,
            livemode=livemode,
            api_key=encrypt(api_key),
            masked_api_key=masked(api_key),
            webhook_secret=encrypt(webhook_secret) if webhook_secret else "",
        )
        record(verb="install_app", target=app, did=f"installed {app} on the Stripe account {account_id}")
    return app


def update_stripe_keys(*, app: BillingApp, api_key: str | None, webhook_secret: str | None) -> None:
    """Replace the API key, the webhook secret or both; None leaves one as it is. The account and mode stay for good:
    OtherStripeAccount for a key of another account. An app that Stripe had refused is ready again."""
    account = StripeAccount.objects.get(app=app)
    if api_key is not None and (mode_of(api_key) != account.livemode or _account_of(api_key) != account.account_id):
        raise OtherStripeAccount(
            f"The key belongs to another Stripe account than {account.account_id}, which {app} is tied to for good. "
            "Nothing was changed: install another app and move the customers."
        )
    with transaction.atomic():
        account = StripeAccount.objects.select_for_update().get(pk=account.pk)
        changed = []
        if api_key is not None:
            account.api_key, account.masked_api_key = encrypt(api_key), masked(api_key)
            BillingApp.objects.filter(pk=app.pk).update(status=AppStatus.READY)
            changed.append("API key")
        if webhook_secret is not None:
            account.webhook_secret = encrypt(webhook_secret) if webhook_secret else ""
            changed.append("webhook secret")
        account.save()
        if changed:
            record(verb="update_app", target=app, did=f"replaced the {' and the '.join(changed)} of {app}")
    app.refresh_from_db()


def mode_of(api_key: str) -> bool:
    """Whether this is a live key. InvalidInput for what is no secret key, or one of the other mode than the site's."""
    parts = api_key.split("_")
    wrong = ""
    if len(parts) < 3 or parts[0] not in ("sk", "rk") or parts[1] not in ("test", "live") or not api_key.isascii():
        wrong = "Give a secret key of Stripe: it starts with sk_test_, sk_live_, rk_test_ or rk_live_."
    elif (parts[1] == "live") != is_live_site():
        wrong = f"This is a {parts[1]} key, and this site runs in {settings.STRIPE_MODE} mode (STRIPE_MODE)."
    if wrong:
        raise InvalidInput(
            f"{wrong} Nothing was changed.", problems=[FieldProblem("secretAPIKey", "bad_api_key", wrong)]
        )
    return parts[1] == "live"


def masked(api_key: str) -> str:
    """What may be shown of a key: its kind and its last three characters."""
    kind = "_".join(api_key.split("_")[:2])
    return f"{kind}_************{api_key[-3:] if len(api_key) >= 20 else ''}"


def _account_of(api_key: str) -> str:
    with closing(StripeConnection(api_key)) as link:
        return link.account_id()
