"""`/notification/rules`: create, list, get, update, delete, test."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import FieldProblem
from core.notifications.errors import BadRule
from core.notifications.models import Rule
from core.notifications.selectors import channels_of, events_for_display
from core.notifications.services.save_rule import create_rule, delete_rule, update_rule
from core.notifications.services.try_rule import try_rule
from core.rest.lookups import find
from core.rest.views import WireViewSet
from entitlements.api.notices.channels import ORDER, SCOPES
from entitlements.api.notices.filters import RuleFilterSet
from entitlements.api.notices.serializers import (
    NotificationEventSerializer,
    NotificationRuleSerializer,
    RuleInputSerializer,
)
from entitlements.features.selectors import features_by_id, features_named


class RuleViewSet(WireViewSet):
    """A deleted rule is shown by its id, with `deletedAt`, and can't be changed."""

    required_scopes = SCOPES
    serializer_class = NotificationRuleSerializer
    filterset_class = RuleFilterSet
    order_by_fields = ORDER | {"type": "type"}
    lookup_url_kwarg = "ruleId"

    def get_queryset(self) -> QuerySet[Rule]:
        return channels_of(Rule.objects.all())

    @extend_schema(operation_id="listNotificationRules")
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response(NotificationRuleSerializer(page, many=True, context=context_of(page)).data)

    @extend_schema(
        operation_id="createNotificationRule", request=RuleInputSerializer, responses={201: NotificationRuleSerializer}
    )
    def create(self, request: Request) -> Response:
        rule = create_rule(**self.said())
        return self.present(rule, status.HTTP_201_CREATED)

    @extend_schema(operation_id="getNotificationRule")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.present(find(self.get_queryset(), self.addressed, what="rule"))

    @extend_schema(operation_id="updateNotificationRule", request=RuleInputSerializer)
    def update(self, request: Request, **kwargs: str) -> Response:
        rule = self.undeleted()
        return self.present(update_rule(rule=rule, **self.said()))

    @extend_schema(operation_id="deleteNotificationRule", responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        delete_rule(rule=self.undeleted())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="testNotificationRule", request=None, responses={201: NotificationEventSerializer}, filters=False
    )
    @action(detail=True, methods=["post"], pagination_class=None)
    def test(self, request: Request, **kwargs: str) -> Response:
        """Send an example of what the rule tells to its channels."""
        made = try_rule(rule=self.undeleted())
        event = events_for_display().get(pk=made.pk)
        shown = NotificationEventSerializer(event, context=context_of([event.rule])).data
        return Response(shown, status=status.HTTP_201_CREATED)

    def undeleted(self) -> Rule:
        return find(self.get_queryset().filter(deleted_at=None), self.addressed, what="rule")

    def said(self) -> dict[str, Any]:
        """The body, as services take it."""
        body = self.read_body(RuleInputSerializer)
        return {
            "type": body["type"],
            "name": body["name"],
            "channel_ids": list(dict.fromkeys(body["channels"])),
            "thresholds": [(each["type"], each["value"]) for each in body.get("thresholds", ())],
            "feature_ids": _features(body.get("features", ())),
            "disabled": body.get("disabled", False),
            "metadata": body.get("metadata"),
        }

    def present(self, rule: Rule, status: int = status.HTTP_200_OK) -> Response:
        rule = self.get_queryset().get(pk=rule.pk)
        return Response(NotificationRuleSerializer(rule, context=context_of([rule])).data, status=status)


def context_of(rules: Iterable[Rule]) -> dict[str, Any]:
    """What rules need to be shown: their features, in one query."""
    ids = {each for rule in rules for each in rule.feature_ids}
    return {"features": features_by_id(ids) if ids else {}}


def _features(named: Iterable[str]) -> "list[uuid.UUID]":
    """The ids of the features that these ids or keys name. BadRule for one that is not there."""
    named = list(dict.fromkeys(named))
    if not named:
        return []
    known = features_named(named)
    missing = [text for text in named if text not in known]
    if missing:
        message = f"There is no feature {', '.join(missing)}."
        problem = FieldProblem("features", "feature_not_found", message)
        raise BadRule(f"The rule was not saved. {message}", problems=[problem])
    return list(dict.fromkeys(known[text] for text in named))
