"""`/notification/channels`: create, list, get, update, delete."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from core.notifications.models import Channel
from core.notifications.services.save_channel import create_channel, delete_channel, update_channel
from core.rest.lookups import find
from core.rest.views import WireViewSet
from entitlements.api.notices.filters import InForceFilterSet
from entitlements.api.notices.serializers import ChannelInputSerializer, NotificationChannelSerializer

SCOPES = {"GET": "notifications:read"} | dict.fromkeys(("POST", "PUT", "DELETE"), "notifications:write")
ORDER = {"id": "id", "type": "pk", "createdAt": "created_at", "updatedAt": "updated_at"}


class ChannelViewSet(WireViewSet):
    """A deleted channel is shown by its id, with `deletedAt`, and can't be changed."""

    required_scopes = SCOPES
    serializer_class = NotificationChannelSerializer
    filterset_class = InForceFilterSet
    order_by_fields = ORDER
    lookup_url_kwarg = "channelId"

    def get_queryset(self) -> QuerySet[Channel]:
        return Channel.objects.all()

    @extend_schema(operation_id="listNotificationChannels")
    def list(self, request: Request) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(
        operation_id="createNotificationChannel",
        request=ChannelInputSerializer,
        responses={201: NotificationChannelSerializer},
    )
    def create(self, request: Request) -> Response:
        body = self.read_body(ChannelInputSerializer)
        channel, secret = create_channel(
            name=body["name"],
            url=body["url"],
            headers=body.get("custom_headers"),
            signing_secret=body.get("signing_secret"),
            disabled=body.get("disabled", False),
            metadata=body.get("metadata"),
        )
        return self.with_secret(channel, secret, status.HTTP_201_CREATED)

    @extend_schema(operation_id="getNotificationChannel")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.show(find(self.get_queryset(), self.addressed, what="channel"))

    @extend_schema(operation_id="updateNotificationChannel", request=ChannelInputSerializer)
    def update(self, request: Request, **kwargs: str) -> Response:
        channel = self.undeleted()
        body = self.read_body(ChannelInputSerializer)
        secret = body.get("signing_secret")
        channel = update_channel(
            channel=channel,
            name=body["name"],
            url=body["url"],
            headers=body.get("custom_headers", {}),
            signing_secret=secret,
            disabled=body.get("disabled", False),
            metadata=body.get("metadata"),
        )
        return self.with_secret(channel, secret, status.HTTP_200_OK)

    @extend_schema(operation_id="deleteNotificationChannel", responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        delete_channel(channel=self.undeleted())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def undeleted(self) -> Channel:
        return find(self.get_queryset().filter(deleted_at=None), self.addressed, what="channel")

    def with_secret(self, channel: Channel, secret: str | None, status: int) -> Response:
        """The answer to what drew or set a secret: no cache keeps it."""
        context = {**self.get_serializer_context(), "secret": secret}
        answer = Response(NotificationChannelSerializer(channel, context=context).data, status=status)
        answer["Cache-Control"] = "no-store"
        return answer
