"""The addresses of plans."""

from rest_framework.routers import SimpleRouter

from subscriptions.api.plans import PlanViewSet

router = SimpleRouter(trailing_slash=False)
router.register("plans", PlanViewSet, basename="plan")
urlpatterns = router.urls
