"""The addresses of plans, add-ons and coupons."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from subscriptions.api.catalog.addons import AddOnViewSet, PlanAddOnViewSet
from subscriptions.api.catalog.coupons import CouponViewSet
from subscriptions.api.catalog.plans import PlanViewSet

router = SimpleRouter(trailing_slash=False)
router.register("addons", AddOnViewSet, basename="addon")
router.register("coupons", CouponViewSet, basename="coupon")
router.register("plans", PlanViewSet, basename="plan")
urlpatterns = [
    *router.urls,
    path("plans/<str:planId>/addons", PlanAddOnViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "plans/<str:planId>/addons/<str:planAddonId>",
        PlanAddOnViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"}),
    ),
]
