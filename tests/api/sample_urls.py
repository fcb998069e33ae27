"""A small API of the tests' own, to show the conventions without any billing object."""

from django.contrib.auth.models import Group
from django.db import connection
from django.urls import include, path
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from core.errors import FieldProblem, InvalidInput
from core.rest.fields import DecimalStringField, DurationField, KeyField, NumberField, TextField, TimeField, ULIDField
from core.rest.pagination import PageOrBareArrayPagination
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet


class PartSerializer(WireSerializer):
    unit_price = DecimalStringField(negative=False)


class ThingSerializer(WireSerializer):
    full_name = TextField(max_length=80)
    sort_key = KeyField(required=False)
    owner_id = ULIDField(required=False)
    starts_at = TimeField(required=False)
    billing_cadence = DurationField(allow_null=True, required=False, default=None)
    share = NumberField(required=False)
    parts = PartSerializer(many=True, required=False)

    keep_null = frozenset({"billingCadence"})


class GroupSerializer(serializers.Serializer):
    name = serializers.CharField()


class ThingViewSet(WireViewSet):
    required_scopes = {"GET": "billing:read", "POST": "billing:write"}
    queryset = Group.objects.all()
    serializer_class = GroupSerializer
    pagination_class = PageOrBareArrayPagination
    order_by_fields = {"name": "name", "id": "id"}

    def list(self, request):
        return self.show_page(self.filter_queryset(self.get_queryset()))

    def create(self, request):
        body = self.read_body(ThingSerializer)
        Group.objects.create(name=body["full_name"])
        if body["full_name"] == "late failure":
            problem = FieldProblem("fullName", "too_late", "Can't be late.")
            raise InvalidInput("Too late. Nothing was stored.", code="late", problems=[problem])
        if body["full_name"] == "crash":
            raise ZeroDivisionError("secret: 42")
        if body["full_name"] == "lost connection":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return self.show(body, ThingSerializer, status=201)

    def retrieve(self, request, pk):
        return Response({"pk": pk})


router = SimpleRouter(trailing_slash=False)
router.register("things", ThingViewSet, basename="thing")
urlpatterns = [path("api/v1/", include(router.urls))]
handler400 = "billing_site.rest.error_pages.bad_request"
handler404 = "billing_site.rest.error_pages.not_found"
handler500 = "billing_site.rest.error_pages.server_error"
