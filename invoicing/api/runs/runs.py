"""`/billing/runs`: who was billed when, and what came of it; and starting a close ahead of the schedule."""

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.audit.actors import current_actor
from core.errors import Conflict
from core.rest.fields import TextField, TimeField, ULIDField
from core.rest.filters import WireFilterSet
from core.rest.lookups import find
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from invoicing.choices import CustomerOutcome, RunStatus, RunTrigger
from invoicing.models import BillingRun, RunCustomer
from invoicing.runs.selectors import outcomes_of_runs
from invoicing.runs.start_run import refuse_future, start_run
from invoicing.runs.tasks import hand_out_shards


class StartRunSerializer(WireSerializer):
    """`asOf` (by default now, never later): everything due by then is billed. `customerIds`: for these only."""

    as_of = TimeField(required=False)
    customer_ids = serializers.ListField(child=ULIDField(), required=False, allow_empty=False, max_length=1000)


class RunSerializer(WireSerializer):
    """`outcomes` counts the run's customers by how it ended for them. The context's `outcomes` has them by run."""

    id = ULIDField()
    as_of = TimeField()
    status = serializers.ChoiceField(choices=RunStatus.values)
    trigger = serializers.ChoiceField(choices=RunTrigger.values)
    started_by = TextField()
    customer_count = serializers.IntegerField()
    outcomes = serializers.SerializerMethodField()
    created_at = TimeField()
    finished_at = TimeField(required=False)

    @extend_schema_field(serializers.DictField(child=serializers.IntegerField()))
    def get_outcomes(self, run: BillingRun) -> dict[str, int]:
        return self.context["outcomes"].get(run.id, {})


class RunCustomerSerializer(WireSerializer):
    """`cause` says, in plain words, why a customer was parked; `note` what is worth knowing though all went well."""

    customer_id = ULIDField()
    customer_name = TextField(source="customer.name")
    outcome = serializers.ChoiceField(choices=CustomerOutcome.values)
    cause_code = TextField(required=False)
    cause = TextField(required=False)
    note = TextField(required=False)
    invoice_count = serializers.IntegerField()
    finished_at = TimeField(required=False)


class RunFilterSet(WireFilterSet):
    status = django_filters.MultipleChoiceFilter(choices=RunStatus.choices)


class RunCustomerFilterSet(WireFilterSet):
    outcome = django_filters.MultipleChoiceFilter(choices=CustomerOutcome.choices)


class RunViewSet(WireViewSet):
    """The newest run first. The schedule starts runs by itself; POST starts one without waiting for it."""

    required_scopes = {"GET": "billing:read", "POST": "billing:write"}
    serializer_class = RunSerializer
    filterset_class = RunFilterSet
    lookup_url_kwarg = "runId"

    def get_queryset(self) -> QuerySet[BillingRun]:
        return BillingRun.objects.order_by("-created_at", "-id")

    @extend_schema(operation_id="listBillingRuns")
    def list(self, request: Request) -> Response:
        runs = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response(RunSerializer(runs, many=True, context=_outcomes(*runs)).data)

    @extend_schema(operation_id="startBillingRun", request=StartRunSerializer, responses={201: RunSerializer})
    def create(self, request: Request) -> Response:
        body = self.read_body(StartRunSerializer)
        as_of = body.get("as_of") or clock.now()
        refuse_future(as_of)
        run = start_run(
            as_of=as_of,
            trigger=RunTrigger.API,
            started_by=current_actor().label,
            customer_ids=body.get("customer_ids"),
        )
        if run is None:
            raise Conflict(
                f"Nothing is due up to {as_of:%Y-%m-%d %H:%M:%S} UTC for customers who are neither parked nor in a run"
                " that is under way, so no run was started.",
                code="nothing_due",
            )
        # Beat hands out what is left, so a broker that is away only delays the run.
        transaction.on_commit(hand_out_shards, robust=True)
        return Response(RunSerializer(run, context=_outcomes(run)).data, status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="getBillingRun")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        run = find(self.get_queryset(), self.addressed, what="run")
        return Response(RunSerializer(run, context=_outcomes(run)).data)

    @extend_schema(operation_id="listBillingRunCustomers", responses=RunCustomerSerializer(many=True))
    @action(detail=True, filterset_class=RunCustomerFilterSet)
    def customers(self, request: Request, **kwargs: str) -> Response:
        run = find(self.get_queryset(), self.addressed, what="run")
        rows = RunCustomer.objects.filter(run=run).select_related("customer").order_by("id")
        return self.show_page(self.filter_queryset(rows), RunCustomerSerializer)


def _outcomes(*runs: BillingRun) -> dict[str, object]:
    return {"outcomes": outcomes_of_runs([run.id for run in runs])}
