"""Meters in the admin. How a meter reads events is fixed once given: billed quantities rest on it."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from core import clock
from core.admin.base import MasterDataAdmin
from core.admin.display import badge, moment
from core.admin.filters import ActiveFilter
from core.admin.registry import page_of
from core.rest.wire_json import JSONProblem, dumps, loads
from customers.models import Customer
from entitlements.admin.metering.meter_usage import DAYS, latest_usage
from entitlements.metering.event_reading import Trial, try_event
from entitlements.models import Meter, MeterRollup

MAX_TRIAL = 65_536


class TrialForm(forms.Form):
    """One event, as it would be sent."""

    event = forms.CharField(
        label="Event",
        max_length=MAX_TRIAL,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 10, "spellcheck": "false", "style": "font-family: monospace"}),
        help_text="One CloudEvent, as JSON.",
    )

    def clean_event(self) -> Any:
        try:
            return loads(self.cleaned_data["event"].encode(errors="surrogatepass"))
        except JSONProblem as problem:
            raise forms.ValidationError(str(problem)) from problem


class ActiveMeters(ActiveFilter):
    choices_of = (("deleted", "Deleted"),)
    default_label = "In use"
    ended = "deleted_at"


@page_of(Meter)
class MeterAdmin(MasterDataAdmin):
    list_display = ("name", "key", "reads", "event_type", "dimensions", "since")
    list_filter = (ActiveMeters, "aggregation")
    search_prefix = ("key", "name")
    search_within = ("name", "key", "event_type")
    fields = ("name", "key", "description", "aggregation", "event_type", "value_property", "group_by", "event_from")
    page_template = "backoffice/meter.html"
    fixed = ("key", "aggregation", "event_type", "value_property", "group_by", "event_from")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.fixed

    @display(description="Reads")
    def reads(self, meter: Meter) -> SafeString:
        what = f"{meter.get_aggregation_display()} of {meter.value_property}" if meter.value_property else "Count"
        return badge(what, "blue")

    @display(description="By dimension")
    def dimensions(self, meter: Meter) -> str:
        return ", ".join(meter.group_by) or "–"

    @display(description="Since", ordering="created_at")
    def since(self, meter: Meter) -> SafeString:
        return moment(meter.created_at)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<path:object_id>/usage/", wrap(self.usage_view), name="entitlements_meter_usage"),
            path("<path:object_id>/try/", wrap(self.try_view), name="entitlements_meter_try"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, obj: Meter) -> dict[str, Any]:
        return {
            "meter": obj,
            "state": badge("Deleted", "red") if obj.deleted_at else badge("In use", "green"),
            "reads": self.reads(obj),
            "features": list(obj.features.order_by("archived_at", "key")[:50]),
            "rollups": [_rollup_words(row) for row in obj.rollups.filter(dropped_at=None).order_by("id")],
            "form": TrialForm(initial={"event": _example(obj)}),
            "timeline": self.timeline(obj),
        }

    def usage_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The meter's usage, read after the page is there: where no rollup is whole, off a month of events."""
        meter = self.readable(request, object_id)
        context = {"meter": meter, "days": DAYS, "usage": latest_usage(meter, clock.now())}
        return TemplateResponse(request, "backoffice/meter_usage.html", context)

    def try_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What would be counted of an event that is pasted. Nothing is stored."""
        meter = self.readable(request, object_id)
        form = TrialForm(request.POST or None, initial={"event": _example(meter)})
        trial: Trial | None = try_event(form.cleaned_data["event"]) if form.is_bound and form.is_valid() else None
        owner = None if trial is None or trial.customer_id is None else Customer.objects.get(pk=trial.customer_id)
        context = {
            "title": f"Try an event: {meter}",
            "meter": meter,
            "object": meter,
            "form": form,
            "trial": trial,
            "owner": owner,
        }
        return self._page(request, "backoffice/meter_try.html", context)


def _rollup_words(rollup: MeterRollup) -> str:
    by = ", ".join(rollup.paths) or "subject alone"
    if rollup.whole_at is not None:
        return f"By {by}: whole, usage is read off it."
    if rollup.built_to is None:
        return f"By {by}: not begun yet, usage is read off the events."
    return f"By {by}: built up to {rollup.built_to:%Y-%m-%d}, until it is whole usage is read off the events."


def _example(meter: Meter) -> str:
    """An event that the meter reads, to begin with."""
    data: dict[str, Any] = {}
    for path_text, value in [*((each, "example") for each in meter.group_by.values()), (meter.value_property, 1)]:
        name = (path_text or "").removeprefix("$.")
        if name.isidentifier():
            data[name] = value
    event = {"specversion": "1.0", "id": "1", "source": "try", "type": meter.event_type, "subject": "", "data": data}
    lines = ",\n".join(f"  {dumps(name)}: {dumps(value)}" for name, value in event.items())
    return f"{{\n{lines}\n}}"
