"""`/subscriptions/{id}/...`: change, migrate, cancel, take that back, pause, resume."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.rest.lookups import find
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from invoicing.api.subscription_changes.change_inputs import (
    SubscriptionChangeResponseSerializer,
    SubscriptionChangeSerializer,
    SubscriptionEditSerializer,
    SubscriptionMigrateSerializer,
    TimingSerializer,
    edits_of,
)
from invoicing.api.subscription_changes.subscriptions import SCOPES, SubscriptionViewSet, check_backdate
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.change_plan import change_plan
from invoicing.subscription_changes.change_result import ChangeResult
from invoicing.subscription_changes.edit_subscription import edit_subscription
from invoicing.subscription_changes.migrate_subscription import migrate_subscription
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.resume_subscription import resume_subscription
from invoicing.subscription_changes.unschedule_cancelation import unschedule_cancelation
from subscriptions.api.catalog.plan_serializers import plan_terms
from subscriptions.api.lifecycle.subscription_serializers import SubscriptionSerializer
from subscriptions.catalog.plan_selectors import plan_named
from subscriptions.lifecycle.selectors import subscriptions_expanded, subscriptions_shown
from subscriptions.lifecycle.timing import Timing, moment_of
from subscriptions.models import Subscription


class EditableSubscriptionViewSet(SubscriptionViewSet):
    """The subscription itself, which an edit changes in place."""

    @extend_schema(operation_id="editSubscription", request=SubscriptionEditSerializer)
    def partial_update(self, request: Request, **kwargs: str) -> Response:
        body = self.read_body(SubscriptionEditSerializer)
        timing = body["timing"]
        check_backdate(request, timing if isinstance(timing, datetime) else None)
        result = edit_subscription(
            subscription=find(self.get_queryset(), self.addressed, what="subscription"),
            timing=timing,
            edits=edits_of(body["customizations"]),
        )
        return self.show(result.subscription)


class SubscriptionChangeViewSet(WireViewSet):
    """A moment in the past needs the scope `backdate`, and must contradict no invoice."""

    required_scopes = SCOPES
    serializer_class: type[WireSerializer] = SubscriptionSerializer
    queryset = Subscription.objects.none()
    lookup_url_kwarg = "subscriptionId"

    @extend_schema(
        operation_id="changeSubscription",
        request=SubscriptionChangeSerializer,
        responses=SubscriptionChangeResponseSerializer,
    )
    def change(self, request: Request, **kwargs: str) -> Response:
        return self._show_both(self.changed(self.read_body(SubscriptionChangeSerializer)))

    @extend_schema(
        operation_id="migrateSubscription",
        request=SubscriptionMigrateSerializer,
        responses=SubscriptionChangeResponseSerializer,
    )
    def migrate(self, request: Request, **kwargs: str) -> Response:
        return self._show_both(self.migrated(self.read_body(SubscriptionMigrateSerializer)))

    @extend_schema(operation_id="cancelSubscription", request=TimingSerializer)
    def cancel(self, request: Request, **kwargs: str) -> Response:
        timing = self.timing()
        return self.show(cancel_subscription(subscription=self.subscription(timing), timing=timing).subscription)

    @extend_schema(operation_id="unscheduleCancelation", request=None)
    def unschedule_cancelation(self, request: Request, **kwargs: str) -> Response:
        """Let it run on. A change of plan that has not begun is taken back with it."""
        return self.show(unschedule_cancelation(subscription=self.subscription()).subscription)

    @extend_schema(operation_id="restoreSubscription", request=None)
    def restore(self, request: Request, **kwargs: str) -> Response:
        """The same as to unschedule a cancelation: the clients have both."""
        return self.show(unschedule_cancelation(subscription=self.subscription()).subscription)

    @extend_schema(operation_id="pauseSubscription", request=TimingSerializer)
    def pause(self, request: Request, **kwargs: str) -> Response:
        timing = self.timing()
        return self.show(pause_subscription(subscription=self.subscription(timing), timing=timing).subscription)

    @extend_schema(operation_id="resumeSubscription", request=TimingSerializer)
    def resume(self, request: Request, **kwargs: str) -> Response:
        timing = self.timing()
        return self.show(resume_subscription(subscription=self.subscription(timing), timing=timing).subscription)

    def timing(self) -> Timing:
        timing: Timing = self.read_body(TimingSerializer)["timing"]
        return timing

    def subscription(self, timing: Timing | None = None) -> Subscription:
        """The subscription in the path; `timing`, where it is a moment in the past, must be allowed to the caller."""
        check_backdate(self.request, timing if isinstance(timing, datetime) else None)
        found: Subscription = find(
            subscriptions_shown().select_related("customer"), self.addressed, what="subscription"
        )
        return found

    def changed(self, body: dict[str, Any], *, preview: bool = False) -> ChangeResult:
        timing, named, custom = body["timing"], body.get("plan"), body.get("custom_plan")
        subscription = self.subscription(timing)
        now = clock.now()
        sold_at = max(now, moment_of(timing, subscription=subscription, now=now))
        return change_plan(
            subscription=subscription,
            timing=timing,
            plan=plan_named(**{"version": None, **named}, at=sold_at) if named else None,
            custom_plan=plan_terms(custom) if custom else None,
            billing_anchor=body.get("billing_anchor"),
            starting_phase=body.get("starting_phase"),
            name=body.get("name"),
            description=body.get("description", (custom or {}).get("description")),
            metadata=body.get("metadata", (custom or {}).get("metadata")),
            settlement_mode=body.get("settlement_mode"),
            usage=body["usage"],
            quantities=body.get("quantities"),
            preview=preview,
        )

    def migrated(self, body: dict[str, Any], *, preview: bool = False) -> ChangeResult:
        subscription = self.subscription(body["timing"])
        return migrate_subscription(
            subscription=subscription,
            timing=body["timing"],
            target_version=body.get("target_version"),
            starting_phase=body.get("starting_phase"),
            billing_anchor=body.get("billing_anchor"),
            preview=preview,
        )

    def _show_both(self, result: ChangeResult) -> Response:
        assert result.successor is not None
        both = {
            "current": result.subscription,
            "next": subscriptions_expanded().get(pk=result.successor.pk),
        }
        return self.show(both, SubscriptionChangeResponseSerializer)
