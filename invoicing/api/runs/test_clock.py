"""`/test-clock`: reads and sets the time that billing goes by, where the installation allows it."""

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.rest.fields import TimeField
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from core.testclock.models import ClockSetting
from invoicing.runs.advance_clock import set_clock
from invoicing.runs.tasks import advance_clock

ADVANCING, READY = "advancing", "ready"


class ClockInputSerializer(WireSerializer):
    shown_only = frozenset({"status"})

    now = TimeField(allow_null=True)


class ClockSerializer(WireSerializer):
    """`now` is null while billing goes by real time. `advancing`: what falls due on the way is still being done."""

    keep_null = frozenset({"now"})

    now = TimeField(allow_null=True)
    status = serializers.SerializerMethodField()

    def get_status(self, setting: ClockSetting) -> str:
        return READY if setting.advancing_to is None else ADVANCING


class TestClockViewSet(WireViewSet):
    """Setting it forward runs, in order of time, everything that falls due on the way."""

    required_scopes = {"GET": "clock:write", "PUT": "clock:write"}
    serializer_class = ClockSerializer
    pagination_class = None

    @extend_schema(operation_id="getTestClock")
    def retrieve(self, request: Request) -> Response:
        return self.show(ClockSetting.objects.first() or ClockSetting())

    @extend_schema(operation_id="setTestClock", request=ClockInputSerializer)
    def update(self, request: Request) -> Response:
        setting = set_clock(now=self.read_body(ClockInputSerializer)["now"])
        if setting.advancing_to is not None:
            # Beat repeats it, so a broker that is away only delays it.
            transaction.on_commit(advance_clock.delay, robust=True)
        return self.show(setting)
