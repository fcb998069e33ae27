"""The addresses of meters, features, usage events, entitlements, grants and notices."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from entitlements.api.access.subjects import (
    SubjectEntitlementUsageViewSet,
    SubjectEntitlementViewSet,
    SubjectGrantViewSet,
)
from entitlements.api.access.v1 import AccessViewSet, EntitlementV1ViewSet, GrantV1ViewSet
from entitlements.api.access.v2 import (
    CustomerEntitlementUsageViewSet,
    CustomerEntitlementViewSet,
    CustomerGrantViewSet,
    EntitlementV2ViewSet,
    GrantV2ViewSet,
)
from entitlements.api.features.features import FeatureViewSet
from entitlements.api.metering.events import EventV2ViewSet, EventViewSet
from entitlements.api.metering.meters import MeterUsageViewSet, MeterViewSet
from entitlements.api.notices.channels import ChannelViewSet
from entitlements.api.notices.events import EventViewSet as NotificationEventViewSet
from entitlements.api.notices.rules import RuleViewSet

router = SimpleRouter(trailing_slash=False)
router.register("events", EventViewSet, basename="event")
router.register("features", FeatureViewSet, basename="feature")
router.register("meters", MeterViewSet, basename="meter")
router.register("meters", MeterUsageViewSet, basename="meter-usage")
router.register("entitlements", EntitlementV1ViewSet, basename="entitlement")
router.register("grants", GrantV1ViewSet, basename="grant")
router.register("notification/channels", ChannelViewSet, basename="notification-channel")
router.register("notification/rules", RuleViewSet, basename="notification-rule")
router.register("notification/events", NotificationEventViewSet, basename="notification-event")

CUSTOMER = "customers/<str:customerIdOrKey>"
THEIRS = f"{CUSTOMER}/entitlements"
ONE = f"{THEIRS}/<str:entitlementIdOrFeatureKey>"
OF_SUBJECT = "subjects/<str:subjectIdOrKey>/entitlements"
ONE_OF_SUBJECT = f"{OF_SUBJECT}/<str:entitlementIdOrFeatureKey>"

urlpatterns = [
    *router.urls,
    path(f"{CUSTOMER}/access", AccessViewSet.as_view({"get": "access"})),
    path(f"{THEIRS}/<str:featureKey>/value", AccessViewSet.as_view({"get": "value"})),
    path(OF_SUBJECT, SubjectEntitlementViewSet.as_view({"get": "list", "post": "create"})),
    path(ONE_OF_SUBJECT, SubjectEntitlementViewSet.as_view({"get": "retrieve", "delete": "destroy"})),
    path(f"{ONE_OF_SUBJECT}/override", SubjectEntitlementViewSet.as_view({"put": "override"})),
    path(f"{ONE_OF_SUBJECT}/grants", SubjectGrantViewSet.as_view({"get": "list", "post": "create"})),
    path(f"{ONE_OF_SUBJECT}/value", SubjectEntitlementUsageViewSet.as_view({"get": "value"})),
    path(f"{ONE_OF_SUBJECT}/history", SubjectEntitlementUsageViewSet.as_view({"get": "history"})),
    path(f"{ONE_OF_SUBJECT}/reset", SubjectEntitlementUsageViewSet.as_view({"post": "reset"})),
]

v2_patterns = [
    path("events", EventV2ViewSet.as_view({"get": "list"})),
    path("entitlements", EntitlementV2ViewSet.as_view({"get": "list"})),
    path("entitlements/<str:entitlementId>", EntitlementV2ViewSet.as_view({"get": "retrieve"})),
    path("grants", GrantV2ViewSet.as_view({"get": "list"})),
    path(THEIRS, CustomerEntitlementViewSet.as_view({"get": "list", "post": "create"})),
    path(ONE, CustomerEntitlementViewSet.as_view({"get": "retrieve", "delete": "destroy"})),
    path(f"{ONE}/override", CustomerEntitlementViewSet.as_view({"put": "override"})),
    path(f"{ONE}/grants", CustomerGrantViewSet.as_view({"get": "list", "post": "create"})),
    path(f"{ONE}/value", CustomerEntitlementUsageViewSet.as_view({"get": "value"})),
    path(f"{ONE}/history", CustomerEntitlementUsageViewSet.as_view({"get": "history"})),
    path(f"{ONE}/reset", CustomerEntitlementUsageViewSet.as_view({"post": "reset"})),
]
