"""The addresses of meters, features and events."""

from rest_framework.routers import SimpleRouter

from entitlements.api.events import EventViewSet
from entitlements.api.features import FeatureViewSet
from entitlements.api.meters import MeterUsageViewSet, MeterViewSet

router = SimpleRouter(trailing_slash=False)
router.register("events", EventViewSet, basename="event")
router.register("features", FeatureViewSet, basename="feature")
router.register("meters", MeterViewSet, basename="meter")
router.register("meters", MeterUsageViewSet, basename="meter-usage")
urlpatterns = router.urls
