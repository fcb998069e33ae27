"""The addresses of plans and coupons."""

from rest_framework.routers import SimpleRouter

from subscriptions.api.coupons import CouponViewSet
from subscriptions.api.plans import PlanViewSet

router = SimpleRouter(trailing_slash=False)
router.register("coupons", CouponViewSet, basename="coupon")
router.register("plans", PlanViewSet, basename="plan")
urlpatterns = router.urls
