"""Meters in the admin. How a meter reads events is fixed once given: billed quantities rest on it."""

from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import MasterDataAdmin
from core.admin.display import badge, moment
from core.admin.filters import ActiveFilter
from core.admin.registry import page_of
from entitlements.models import Meter


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
