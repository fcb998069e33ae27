"""The addresses of subscriptions, invoices, runs and the test clock."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from invoicing.api.subscriptions import CustomerSubscriptionViewSet, SubscriptionViewSet

router = SimpleRouter(trailing_slash=False)
router.register("subscriptions", SubscriptionViewSet, basename="subscription")
urlpatterns = [
    *router.urls,
    path("customers/<str:customerIdOrKey>/subscriptions", CustomerSubscriptionViewSet.as_view({"get": "list"})),
]
