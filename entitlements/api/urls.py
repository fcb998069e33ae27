"""The addresses of meters, features and events."""

from rest_framework.routers import SimpleRouter

from entitlements.api.features.features import FeatureViewSet
from entitlements.api.metering.events import EventViewSet
from entitlements.api.metering.meters import MeterUsageViewSet, MeterViewSet

router = SimpleRouter(trailing_slash=False)
router.register("events", EventViewSet, basename="event")
router.register("features", FeatureViewSet, basename="feature")
router.register("meters", MeterViewSet, basename="meter")
router.register("meters", MeterUsageViewSet, basename="meter-usage")
urlpatterns = router.urls
