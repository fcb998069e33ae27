"""The addresses of customers, subscriptions, invoices, runs and the test clock."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from invoicing.api.customers import BilledCustomerViewSet
from invoicing.api.invoices import InvoiceViewSet, SimulationViewSet
from invoicing.api.payments import PaymentViewSet
from invoicing.api.previews import PreviewViewSet
from invoicing.api.runs import RunViewSet
from invoicing.api.subscriptions import CustomerSubscriptionViewSet, SubscriptionItemViewSet, SubscriptionViewSet
from invoicing.api.test_clock import TestClockViewSet

router = SimpleRouter(trailing_slash=False)
router.register("customers", BilledCustomerViewSet, basename="customer")
router.register("subscriptions", SubscriptionViewSet, basename="subscription")
router.register("billing/invoices", InvoiceViewSet, basename="invoice")
router.register("payments", PaymentViewSet, basename="payment")
router.register("billing/runs", RunViewSet, basename="run")
urlpatterns = [
    *router.urls,
    path(
        "subscriptions/<str:subscriptionId>/items/<int:runningNumber>",
        SubscriptionItemViewSet.as_view({"put": "update"}),
    ),
    path("customers/<str:customerIdOrKey>/subscriptions", CustomerSubscriptionViewSet.as_view({"get": "list"})),
    path("customers/<str:customerIdOrKey>/preview-invoices", PreviewViewSet.as_view({"get": "list"})),
    path("billing/customers/<str:customerId>/invoices/simulate", SimulationViewSet.as_view({"post": "simulate"})),
    path("test-clock", TestClockViewSet.as_view({"get": "retrieve", "put": "update"})),
]
