"""Billing profiles in the admin: what they say, who follows them, archiving."""

from typing import Any

from django import forms
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from core.admin.base import MasterDataAdmin
from core.admin.choosers import CurrencyField
from core.admin.display import badge, number
from core.admin.filters import ActiveFilter
from core.admin.registry import page_of
from core.admin.verbs import Answers, Verb
from core.admin.words import counted
from core.periods import CADENCES
from customers.admin.setting_fields import DaysField, DurationField, SettingsForm
from customers.models import BillingApp, BillingProfile
from customers.models.profile import default_dunning_days
from customers.services.archive_profile import archive_profile, restore_profile
from customers.settings_words import SETTING_LABELS, setting_words


class UsableProfiles(ActiveFilter):
    choices_of = (("archived", "Archived"),)
    default_label = "In use"
    ended = "archived_at"


class ProfileForm(SettingsForm):
    due_after = DurationField()
    draft_period = DurationField()
    collection_interval = DurationField()
    dunning_days = DaysField(label="Retries after a failed charge", empty=[], initial=default_dunning_days)
    progressive_threshold_currency = CurrencyField(required=False, none="None")
    collection_cadence = forms.ChoiceField(
        choices=[("", "None"), *((cadence, setting_words("collection_cadence", cadence)) for cadence in CADENCES)],
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Only where invoices follow a fixed rhythm.",
    )

    class Meta:
        model = BillingProfile
        fields = "__all__"


class Archive(Verb[BillingProfile]):
    slug = "archive"
    label = "Archive"
    permission = "customers.change_billingprofile"
    tone = "danger"

    def asks(self, profile: BillingProfile) -> str:
        return f"Is “{profile}” to be archived?"

    def consequences(self, profile: BillingProfile) -> list[str]:
        return ["Nobody new can be pinned to it. Customers that are pinned to it stay."]

    def shows(self, profile: BillingProfile) -> bool:
        return profile.archived_at is None

    def why_not(self, request: HttpRequest, profile: BillingProfile) -> str:
        return "The default profile can't be archived." if profile.is_default else ""

    def perform(self, request: HttpRequest, profile: BillingProfile, answers: Answers) -> str:
        archive_profile(profile=profile, reason=answers["reason"])
        return f"“{profile}” is archived. Nobody new can be pinned to it."


class Restore(Verb[BillingProfile]):
    slug = "restore"
    label = "Use again"
    permission = "customers.change_billingprofile"

    def asks(self, profile: BillingProfile) -> str:
        return f"Is “{profile}” to be usable again?"

    def shows(self, profile: BillingProfile) -> bool:
        return profile.archived_at is not None

    def perform(self, request: HttpRequest, profile: BillingProfile, answers: Answers) -> str:
        restore_profile(profile=profile, reason=answers["reason"])
        return f"“{profile}” can be used again."


@page_of(BillingProfile)
class BillingProfileAdmin(MasterDataAdmin):
    """The app is fixed once given (billing rules 5); the default is changed by its own verb."""

    form = ProfileForm
    list_display = ("name", "standing", "supplier", "app", "collection_method", "terms", "customers_pinned")
    list_filter = (UsableProfiles, "collection_method")
    list_select_related = ("supplier", "app")
    search_within = ("name",)
    page_template = "backoffice/profile.html"
    fieldsets = (
        (None, {"fields": ("name", "description", ("supplier", "app"))}),
        (
            "Collection",
            {"fields": (("collection_method", "due_after"), ("dunning_days", "uncollectible_after_dunning"))},
        ),
        (
            "Workflow",
            {
                "fields": (
                    ("auto_advance", "draft_period"),
                    ("collection_interval", "collection_alignment"),
                    ("collection_cadence", "collection_anchor"),
                    "late_usage",
                )
            },
        ),
        (
            "Progressive billing",
            {"fields": ("progressive_billing", ("progressive_threshold", "progressive_threshold_currency"))},
        ),
        ("Tax", {"fields": (("tax_enabled", "tax_enforced"), ("tax_behavior", "tax_code"))}),
    )
    verbs: tuple[Verb[Any], ...] = (Archive(), Restore())

    def get_queryset(self, request: HttpRequest) -> QuerySet[BillingProfile]:
        return super().get_queryset(request).select_related("supplier", "app").annotate(pins=Count("pinned_overrides"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("app",) if obj else ()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "app":
            kwargs["queryset"] = BillingApp.objects.filter(deleted_at__isnull=True)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        free = obj is None or not (obj.is_default or obj.pinned_overrides.exists())
        return free and super().has_delete_permission(request, obj)

    @display(description="Standing")
    def standing(self, profile: BillingProfile) -> SafeString:
        if profile.deleted_at:
            return badge("Deleted", "red")
        if profile.is_default:
            return badge("Default", "green")
        return badge("Archived", "grey") if profile.archived_at else badge("Available", "blue")

    @display(description="Due after")
    def terms(self, profile: BillingProfile) -> str:
        return setting_words("due_after", profile.due_after)

    @display(description="Customers pinned", ordering="pins")
    def customers_pinned(self, profile: Any) -> SafeString:
        return number(profile.pins)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return {
            "profile": obj,
            "standing": self.standing(obj),
            "settings": [(label, setting_words(field, getattr(obj, field))) for field, label in SETTING_LABELS.items()],
            "pinned": counted(obj.pins, "customer is pinned to it", "customers are pinned to it"),
            "timeline": self.timeline(obj),
        }
