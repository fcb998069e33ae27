"""Billing apps at the finance desk: installing them, their keys, their webhook, and how they are."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from billing_site.stripe_health import StripeHealth, health_of
from core.admin.display import EMPTY, admin_url, badge, number
from core.admin.refusals import explain
from core.admin.registry import page_of
from core.admin.verbs import Answers, OptionalReasonForm, Verb
from core.errors import BillingError
from core.ids import to_text
from customers.admin.app import BillingAppAdmin
from customers.choices import AppStatus, AppType
from customers.models import BillingApp, BillingProfile
from invoicing.choices import OPEN_STATUSES
from invoicing.gateways.stripe_gateway import is_live_site
from invoicing.gateways.stripe_webhooks import LISTENS_TO
from invoicing.models import Invoice, StripeAccount
from invoicing.payments.connect_stripe import install_stripe, update_stripe_keys
from invoicing.payments.manage_app import install_app, uninstall_app, update_app

INSTALL_STRIPE = "invoicing.add_stripeaccount"
REPLACE_KEYS = "invoicing.change_stripeaccount"
LATEST_EVENTS = 10


class SecretField(forms.CharField):
    """A credential: typed or pasted in, never shown again, not even when the form comes back."""

    def __init__(self, **kwargs: Any) -> None:
        widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password", "spellcheck": "false"})
        super().__init__(max_length=255, widget=widget, **kwargs)


class ApiKeyForm(OptionalReasonForm):
    api_key = SecretField(label="New API key", help_text="Of the same account. Stripe is asked whether it accepts it.")
    field_order = ("api_key", "reason")


class WebhookSecretForm(OptionalReasonForm):
    webhook_secret = SecretField(
        label="Webhook secret", help_text="Stripe shows it on the page of the endpoint: it starts with whsec_."
    )
    field_order = ("webhook_secret", "reason")


class InstallStripeForm(forms.Form):
    name = forms.CharField(
        max_length=256, widget=UnfoldAdminTextInputWidget, help_text="As profiles and staff will know it."
    )
    description = forms.CharField(required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}))
    api_key = SecretField(
        label="API key", help_text="Secret or restricted. It is kept encrypted and never shown again."
    )
    webhook_secret = SecretField(
        label="Webhook secret", required=False, help_text="Can be added once the endpoint exists at Stripe."
    )


def _is_stripe(app: BillingApp) -> bool:
    return app.type == AppType.STRIPE


class ReplaceCredential(Verb[BillingApp]):
    permission = REPLACE_KEYS

    def shows(self, app: BillingApp) -> bool:
        return _is_stripe(app)

    def why_not(self, request: HttpRequest, app: BillingApp) -> str:
        return "It is uninstalled." if app.deleted_at else ""


class ReplaceApiKey(ReplaceCredential):
    slug = "replace-api-key"
    label = "Replace API key"
    form = ApiKeyForm

    def asks(self, app: BillingApp) -> str:
        return f"Which key is {app} to use from now on?"

    def consequences(self, app: BillingApp) -> list[str]:
        return [
            "The old key is forgotten here at once; revoke it at Stripe afterwards.",
            "The account and the mode stay for good: a key of another account is refused.",
        ]

    def perform(self, request: HttpRequest, app: BillingApp, answers: Answers) -> str:
        update_stripe_keys(app=app, api_key=answers["api_key"].strip(), webhook_secret=None)
        return f"{app} has a new API key, which Stripe accepts. Charges that waited for it are tried within the hour."


class ReplaceWebhookSecret(ReplaceCredential):
    slug = "replace-webhook-secret"
    label = "Set webhook secret"
    form = WebhookSecretForm

    def asks(self, app: BillingApp) -> str:
        return f"With which secret does Stripe sign what it tells {app}?"

    def consequences(self, app: BillingApp) -> list[str]:
        return ["Events that are signed with the old one are refused from now on; Stripe sends them again."]

    def perform(self, request: HttpRequest, app: BillingApp, answers: Answers) -> str:
        update_stripe_keys(app=app, api_key=None, webhook_secret=answers["webhook_secret"].strip())
        return f"{app} has a new webhook secret: events that are signed with it are taken from now on."


class Uninstall(Verb[BillingApp]):
    slug = "uninstall"
    label = "Uninstall"
    permission = "customers.delete_billingapp"
    tone = "danger"

    def asks(self, app: BillingApp) -> str:
        return f"Is {app} to be uninstalled?"

    def consequences(self, app: BillingApp) -> list[str]:
        return ["Its payments and invoices stay to be read; nothing is collected by it any more."]

    def why_not(self, request: HttpRequest, app: BillingApp) -> str:
        if app.deleted_at:
            return "It is uninstalled already."
        profiles = BillingProfile.objects.filter(app=app, archived_at=None).count()
        return f"Profiles use it ({profiles}): move their customers and archive them first." if profiles else ""

    def perform(self, request: HttpRequest, app: BillingApp, answers: Answers) -> str:
        uninstall_app(app=app)
        return f"{app} is uninstalled."


@page_of(BillingApp)
class AppPage(BillingAppAdmin):
    list_display = ("name", "type", "state", "account", "profiles_using", "description")
    list_select_related = ("stripe_account",)
    sortable_by = ()
    change_list_template = "backoffice/app_list.html"
    page_template = "backoffice/app.html"
    verbs = (ReplaceApiKey(), ReplaceWebhookSecret(), Uninstall())

    def get_queryset(self, request: HttpRequest) -> QuerySet[BillingApp]:
        living = Count("profiles", filter=Q(profiles__archived_at=None))
        return super().get_queryset(request).select_related("stripe_account").annotate(profile_count=living)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.install_stripe_view)
        return [path("install-stripe/", view, name="customers_billingapp_install_stripe"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        may_install = request.user.has_perm(INSTALL_STRIPE)
        return super().changelist_view(request, {"may_install_stripe": may_install, **(extra_context or {})})

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.deleted_at is None)

    @display(description="Account")
    def account(self, app: BillingApp) -> SafeString | str:
        return str(app.stripe_account) if hasattr(app, "stripe_account") else EMPTY

    @display(description="Profiles")
    def profiles_using(self, app: Any) -> SafeString:
        return number(app.profile_count)

    def save_recorded(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        values = {"name": obj.name, "description": obj.description, "metadata": obj.metadata}
        saved = update_app(app=obj, **values) if change else install_app(type=obj.type, **values)
        obj.pk, obj._state.adding = saved.pk, False

    @method_decorator(sensitive_post_parameters("api_key", "webhook_secret"))
    def verb_view(self, request: HttpRequest, object_id: str, slug: str) -> HttpResponse:
        return super().verb_view(request, object_id, slug)

    @method_decorator(sensitive_post_parameters("api_key", "webhook_secret"))
    def install_stripe_view(self, request: HttpRequest) -> HttpResponse:
        """Takes the keys of an account; Stripe is asked whether it accepts them before anything is kept."""
        if not request.user.has_perm(INSTALL_STRIPE):
            raise PermissionDenied
        form = InstallStripeForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            answers = form.cleaned_data
            try:
                app = install_stripe(
                    name=answers["name"],
                    description=answers["description"],
                    api_key=answers["api_key"].strip(),
                    webhook_secret=answers["webhook_secret"].strip(),
                )
            except BillingError as error:
                form.add_error("api_key", explain(error))
                if answers["webhook_secret"]:
                    form.add_error("webhook_secret", "Paste it again: a secret is not kept in the form.")
            else:
                messages.success(request, f"{app} is installed. Add its webhook address at Stripe, as shown below.")
                return HttpResponseRedirect(admin_url(app))
        context = {"title": "Install a Stripe app", "form": form, "live": is_live_site(), "back": self._list_url()}
        return self._page(request, "backoffice/app_install_stripe.html", context)

    def page_context(self, request: HttpRequest, obj: BillingApp) -> dict[str, Any]:
        health = health_of(obj) if _is_stripe(obj) else None
        webhook = reverse("stripe-webhook", kwargs={"id": to_text(obj.pk)})
        unpaid = Invoice.objects.filter(app=obj, due__gt=0, issued_at__isnull=False, status__in=OPEN_STATUSES)
        return {
            "app": obj,
            "state": self.state(obj),
            "health": health,
            "well": _well(obj, health),
            "key_shown": health.account.masked_api_key.rpartition("_") if health and health.account else None,
            "account_url": _account_url(health.account) if health else "",
            "webhook_url": request.build_absolute_uri(webhook),
            "listens_to": LISTENS_TO,
            "events": list(obj.stripe_events.select_related("payment__invoice")[:LATEST_EVENTS]) if health else [],
            "profiles": list(obj.profiles.order_by("archived_at", "name")),
            "unpaid": list(unpaid.order_by("currency").values("currency").annotate(count=Count("pk"), due=Sum("due"))),
            "known_customers": obj.customer_data.filter(external_id__isnull=False).count(),
            "timeline": self.timeline(obj),
        }


_WORKS = {
    AppType.SANDBOX: "It moves no money: a charge succeeds at once, unless the customer's app data say otherwise.",
    AppType.BANK_TRANSFER: "Customers pay by themselves: receipts are recorded here, or booked from a bank statement.",
}


def _well(app: BillingApp, health: StripeHealth | None) -> list[tuple[SafeString, str]]:
    """How the app is, in sentences, each with a pill: what the doctor would say."""
    if health is None:
        sentence = _WORKS.get(AppType(app.type), "") if app.status == AppStatus.READY else app.get_status_display()
        return [(badge("OK", "green"), sentence)]
    rows = [(badge("Problem", "red"), problem) for problem in health.problems]
    if not rows:
        rows.append((badge("OK", "green"), "It can charge: the key is there, of this site's mode, and not refused."))
    if health.account is not None and not health.account.webhook_secret:
        told = "No webhook secret: what happens at Stripe is found out only when it is asked, minutes or hours later."
        rows.append((badge("Note", "amber"), told))
    elif health.account is not None:
        rows.append((badge("Webhook", "blue"), f"{health.heard[:1].upper()}{health.heard[1:]}."))
    if health.unknown:
        url = f"{reverse('admin:invoicing_payment_changelist')}?state=open&app__id__exact={app.pk}"
        told = 'Charges without a known outcome: <a class="ch-link" href="{}">{}</a>. Stripe is asked by itself.'
        rows.append((badge("Note", "amber"), format_html(told, url, health.unknown)))
    return rows


def _account_url(account: StripeAccount | None) -> str:
    if account is None:
        return ""
    mode = "" if account.livemode else "test/"
    return f"https://dashboard.stripe.com/{account.account_id}/{mode}dashboard"
