"""Features in the admin. What a feature measures is fixed once given."""

from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import MasterDataAdmin
from core.admin.display import badge, link, moment
from core.admin.filters import ActiveFilter
from core.admin.registry import page_of
from entitlements.models import Feature


class ActiveFeatures(ActiveFilter):
    choices_of = (("archived", "Archived"),)
    default_label = "In use"
    ended = "archived_at"


@page_of(Feature)
class FeatureAdmin(MasterDataAdmin):
    list_display = ("name", "key", "measured_by", "narrowed_to", "since")
    list_filter = (ActiveFeatures,)
    list_select_related = ("meter",)
    search_prefix = ("key", "name")
    search_within = ("name", "key")
    fields = ("name", "key", "meter", "meter_filters")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("key", "meter", "meter_filters")

    @display(description="Measured by")
    def measured_by(self, feature: Feature) -> SafeString:
        return link(feature.meter) if feature.meter else badge("reported quantities", "amber")

    @display(description="Only events with")
    def narrowed_to(self, feature: Feature) -> str:
        return "; ".join(f"{name} in {', '.join(values)}" for name, values in feature.meter_filters.items()) or "–"

    @display(description="Since", ordering="created_at")
    def since(self, feature: Feature) -> SafeString:
        return moment(feature.created_at)
