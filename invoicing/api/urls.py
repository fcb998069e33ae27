"""The addresses of customers, subscriptions, invoices, runs and the test clock."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from invoicing.api.customers import BilledCustomerViewSet
from invoicing.api.invoices import InvoiceViewSet, SimulationViewSet
from invoicing.api.subscriptions import CustomerSubscriptionViewSet, SubscriptionViewSet

router = SimpleRouter(trailing_slash=False)
router.register("customers", BilledCustomerViewSet, basename="customer")
router.register("subscriptions", SubscriptionViewSet, basename="subscription")
router.register("billing/invoices", InvoiceViewSet, basename="invoice")
urlpatterns = [
    *router.urls,
    path("customers/<str:customerIdOrKey>/subscriptions", CustomerSubscriptionViewSet.as_view({"get": "list"})),
    path("billing/customers/<str:customerId>/invoices/simulate", SimulationViewSet.as_view({"post": "simulate"})),
]
