"""The addresses of customers, subscriptions, invoices, runs and the test clock."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from customers.api.suppliers import SupplierViewSet
from invoicing.api.balance.balances import BalanceViewSet
from invoicing.api.bank_statements.bank_statements import BankStatementViewSet
from invoicing.api.customer_guards.customers import BilledCustomerViewSet
from invoicing.api.issued.credit_notes import CreditNoteViewSet
from invoicing.api.late_usage.late_usage import LateUsageViewSet
from invoicing.api.lifecycle.invoices import InvoiceViewSet, SimulationViewSet
from invoicing.api.lifecycle.pending_lines import PendingLineViewSet
from invoicing.api.payments.apps import AppViewSet, CustomerAppViewSet, StripeWebhookViewSet
from invoicing.api.payments.payments import PaymentViewSet
from invoicing.api.previews.previews import PreviewViewSet
from invoicing.api.profile_moves.migrations import MigrationItemViewSet, MigrationViewSet
from invoicing.api.profile_moves.overrides import OverrideViewSet
from invoicing.api.profile_moves.profiles import ProfileViewSet
from invoicing.api.runs.runs import RunViewSet
from invoicing.api.runs.test_clock import TestClockViewSet
from invoicing.api.subscription_changes.change_previews import SubscriptionPreviewViewSet
from invoicing.api.subscription_changes.changes import EditableSubscriptionViewSet, SubscriptionChangeViewSet
from invoicing.api.subscription_changes.subscription_addons import SubscriptionAddOnViewSet
from invoicing.api.subscription_changes.subscriptions import CustomerSubscriptionViewSet, SubscriptionItemViewSet

router = SimpleRouter(trailing_slash=False)
router.register("customers", BilledCustomerViewSet, basename="customer")
router.register("subscriptions", EditableSubscriptionViewSet, basename="subscription")
router.register("billing/invoices", InvoiceViewSet, basename="invoice")
router.register("apps", AppViewSet, basename="app")
router.register("payments", PaymentViewSet, basename="payment")
router.register("credit-notes", CreditNoteViewSet, basename="credit-note")
router.register("late-usage", LateUsageViewSet, basename="late-usage")
router.register("bank-statements", BankStatementViewSet, basename="bank-statement")
router.register("billing/profiles", ProfileViewSet, basename="billing-profile")
router.register("billing/customers", OverrideViewSet, basename="billing-customer")
router.register("billing/profile-migrations", MigrationViewSet, basename="profile-migration")
router.register("suppliers", SupplierViewSet, basename="supplier")
router.register("billing/runs", RunViewSet, basename="run")
CHANGES = {
    "change": "change",
    "migrate": "migrate",
    "cancel": "cancel",
    "unschedule-cancelation": "unschedule_cancelation",
    "restore": "restore",
    "pause": "pause",
    "resume": "resume",
}
MIGRATION = "billing/profile-migrations/<str:migrationId>"
urlpatterns = [
    path("subscriptions/preview", SubscriptionPreviewViewSet.as_view({"post": "start"})),
    path("subscriptions/<str:subscriptionId>/preview-change", SubscriptionPreviewViewSet.as_view({"post": "preview"})),
    *router.urls,
    path(f"{MIGRATION}/items", MigrationItemViewSet.as_view({"get": "list"})),
    path(f"{MIGRATION}/impacts", MigrationItemViewSet.as_view({"get": "impacts"}, pagination_class=None)),
    path(
        f"{MIGRATION}/items/<str:customerId>/impact",
        MigrationItemViewSet.as_view({"get": "impact"}, pagination_class=None),
    ),
    path(f"{MIGRATION}/items/<str:customerId>/retry", MigrationItemViewSet.as_view({"post": "retry"})),
    path(f"{MIGRATION}/items/<str:customerId>/take-back", MigrationItemViewSet.as_view({"post": "take_back"})),
    *(
        path(f"subscriptions/<str:subscriptionId>/{verb}", SubscriptionChangeViewSet.as_view({"post": action}))
        for verb, action in CHANGES.items()
    ),
    path("customers/<str:customerIdOrKey>/balance", BalanceViewSet.as_view({"get": "retrieve"})),
    path("customers/<str:customerIdOrKey>/balance/ledger", BalanceViewSet.as_view({"get": "ledger"})),
    path("apps/<str:id>/stripe/webhook", StripeWebhookViewSet.as_view({"post": "receive"}), name="stripe-webhook"),
    path("customers/<str:customerIdOrKey>/apps", CustomerAppViewSet.as_view({"get": "list", "put": "upsert"})),
    path("customers/<str:customerIdOrKey>/apps/<str:appId>", CustomerAppViewSet.as_view({"delete": "destroy"})),
    path("customers/<str:customerIdOrKey>/stripe", CustomerAppViewSet.as_view({"get": "stripe", "put": "set_stripe"})),
    path(
        "subscriptions/<str:subscriptionId>/items/<int:runningNumber>",
        SubscriptionItemViewSet.as_view({"put": "update"}),
    ),
    path(
        "subscriptions/<str:subscriptionId>/items/<int:runningNumber>/coupons",
        SubscriptionItemViewSet.as_view({"post": "redeem"}),
    ),
    path(
        "subscriptions/<str:subscriptionId>/addons",
        SubscriptionAddOnViewSet.as_view({"get": "list", "post": "create"}),
    ),
    path(
        "subscriptions/<str:subscriptionId>/addons/<str:subscriptionAddonId>",
        SubscriptionAddOnViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
    ),
    path("customers/<str:customerIdOrKey>/subscriptions", CustomerSubscriptionViewSet.as_view({"get": "list"})),
    path("customers/<str:customerIdOrKey>/preview-invoices", PreviewViewSet.as_view({"get": "list"})),
    path("billing/customers/<str:customerId>/invoices/simulate", SimulationViewSet.as_view({"post": "simulate"})),
    path("billing/customers/<str:customerId>/invoices/pending-lines", PendingLineViewSet.as_view({"post": "create"})),
    path("test-clock", TestClockViewSet.as_view({"get": "retrieve", "put": "update"})),
]
