"""Notification rules in the admin: which channels are told what."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from core.admin.base import ChangeReasonForm, MasterDataAdmin
from core.admin.display import badge, moment
from core.admin.fields import RowsField
from core.admin.filters import ActiveFilter
from core.admin.registry import page_of
from core.admin.verbs import Answers, OptionalReasonForm, Verb
from core.notifications.choices import ThresholdType
from core.notifications.models import Channel, Rule
from core.notifications.services.save_rule import create_rule, delete_rule, update_rule
from core.notifications.services.try_rule import try_rule
from entitlements.features.selectors import features_by_id, features_named

_KINDS = (ThresholdType.USAGE_PERCENTAGE, ThresholdType.USAGE_VALUE, ThresholdType.BALANCE_VALUE)
_FORMER = {"PERCENT": ThresholdType.USAGE_PERCENTAGE, "NUMBER": ThresholdType.USAGE_VALUE}
_SAID = {
    ThresholdType.USAGE_PERCENTAGE: "usage above {} %",
    ThresholdType.USAGE_VALUE: "usage above {}",
    ThresholdType.BALANCE_VALUE: "balance below {}",
}
_MOST_CHANNELS = 200


def _kind_of(threshold: Mapping[str, str]) -> ThresholdType:
    return _FORMER.get(threshold["type"]) or ThresholdType(threshold["type"])


def _said(threshold: Mapping[str, str]) -> str:
    kind, value = _kind_of(threshold), threshold["value"]
    if kind is ThresholdType.BALANCE_VALUE and not Decimal(value):
        return "nothing left"
    return _SAID[kind].format(value)


class RuleForm(ChangeReasonForm):
    told = forms.ModelMultipleChoiceField(
        label="Channels",
        queryset=Channel.objects.none(),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Who is told.",
    )
    limits = RowsField(
        (("kind", "What"), ("value", "Value")),
        noun="threshold",
        label="Thresholds",
        required=False,
        choices={"kind": [(kind.value, str(kind.label)) for kind in _KINDS]},
        help_text="For usage and balance alone. A balance of 0 is told when nothing is left.",
    )
    features = forms.CharField(
        required=False,
        max_length=7000,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Keys of features with commas between them; empty: all. Not for invoices.",
    )

    class Meta:
        model = Rule
        fields = ("name", "type", "disabled")
        labels = {"type": "Told when"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rule = self.instance
        known = Channel.objects.filter(deleted_at=None).order_by("name", "id")[:_MOST_CHANNELS]
        if "told" in self.fields:
            field: Any = self.fields["told"]
            field.queryset = Channel.objects.filter(pk__in=[channel.pk for channel in known])
        if Rule.objects.filter(pk=rule.pk).exists():
            self.initial["told"] = list(rule.channels.values_list("pk", flat=True))
            self.initial["limits"] = [
                {"kind": _kind_of(each).value, "value": each["value"]} for each in rule.thresholds
            ]
            features = features_by_id(rule.feature_ids) if rule.feature_ids else {}
            self.initial["features"] = ", ".join(features[each].key for each in rule.feature_ids if each in features)

    def clean_limits(self) -> list[tuple[str, Decimal]]:
        found = []
        for row in self.cleaned_data["limits"]:
            kind = next((kind for kind in _KINDS if kind.value == row["kind"]), None)
            if kind is None:
                raise forms.ValidationError("Choose what each threshold is compared with.")
            try:
                value = Decimal(row["value"])
            except InvalidOperation:
                value = Decimal("NaN")
            if not value.is_finite():
                raise forms.ValidationError(f"“{row['value'][:40]}” is no number.")
            found.append((kind.value, value))
        return found

    def clean_features(self) -> list[Any]:
        keys = [key.strip() for key in self.cleaned_data["features"].split(",") if key.strip()]
        known = features_named(keys) if keys else {}
        missing = [key for key in keys if key not in known]
        if missing:
            raise forms.ValidationError(f"There is no feature {', '.join(missing)[:200]}.")
        return list(dict.fromkeys(known[key] for key in keys))


class SendExample(Verb[Rule]):
    slug = "send-example"
    label = "Send an example"
    permission = "notifications.test_rule"
    form = OptionalReasonForm

    def asks(self, rule: Rule) -> str:
        return f"Is an example of {rule} to be sent to its channels?"

    def consequences(self, rule: Rule) -> list[str]:
        return ["The channels get an event with made-up values, signed like any other."]

    def why_not(self, request: HttpRequest, rule: Rule) -> str:
        return "The rule is deleted." if rule.deleted_at else ""

    def perform(self, request: HttpRequest, rule: Rule, answers: Answers) -> str:
        try_rule(rule=rule)
        return "An example is on its way: see the deliveries."


class DeleteRule(Verb[Rule]):
    slug = "delete-rule"
    label = "Delete"
    permission = "notifications.delete_rule"
    tone = "danger"
    form = OptionalReasonForm

    def asks(self, rule: Rule) -> str:
        return f"Is nobody to be told by {rule} any more?"

    def consequences(self, rule: Rule) -> list[str]:
        return ["What it has told stays in the list, and what is on its way still arrives.", "It can't be taken back."]

    def why_not(self, request: HttpRequest, rule: Rule) -> str:
        return "It is deleted already." if rule.deleted_at else ""

    def perform(self, request: HttpRequest, rule: Rule, answers: Answers) -> str:
        delete_rule(rule=rule)
        return f"{rule} is deleted."


class CurrentRules(ActiveFilter):
    choices_of = (("deleted", "Deleted"), ("all", "All"))
    default_label = "Not deleted"
    ended = "deleted_at"


@page_of(Rule)
class RuleAdmin(MasterDataAdmin):
    form = RuleForm
    list_display = ("name", "told_when", "limits_said", "state", "since")
    list_filter = (CurrentRules, "type")
    search_within = ("name",)
    fields = ("name", "type", "told", "limits", "features", "disabled", "change_reason")
    page_template = "backoffice/webhook_rule.html"
    verbs = (SendExample(), DeleteRule())

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.deleted_at is None)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("type",) if obj else ()

    def save_recorded(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        said = form.cleaned_data
        values = {
            "type": obj.type,
            "name": said["name"],
            "channel_ids": [channel.pk for channel in said["told"]],
            "thresholds": said["limits"],
            "feature_ids": said["features"],
            "disabled": said["disabled"],
        }
        if change:
            update_rule(rule=obj, metadata=obj.metadata, **values)
        else:
            obj.pk = create_rule(**values).pk

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The service has saved the channels."""

    @display(description="Told when", ordering="type")
    def told_when(self, rule: Rule) -> str:
        return str(rule.get_type_display())

    @display(description="Thresholds")
    def limits_said(self, rule: Rule) -> str:
        return ", ".join(map(_said, rule.thresholds)) or "–"

    @display(description="State")
    def state(self, rule: Rule) -> SafeString:
        if rule.deleted_at is not None:
            return badge("Deleted", "grey")
        return badge("Disabled", "amber") if rule.disabled else badge("In force", "green")

    @display(description="Since", ordering="created_at")
    def since(self, rule: Rule) -> SafeString:
        return moment(rule.created_at)

    def page_context(self, request: HttpRequest, obj: Rule) -> dict[str, Any]:
        features = features_by_id(obj.feature_ids) if obj.feature_ids else {}
        return {
            "rule": obj,
            "state": self.state(obj),
            "told_when": self.told_when(obj),
            "limits": self.limits_said(obj),
            "channels": list(obj.channels.order_by("name", "id")),
            "features": [features[each] for each in obj.feature_ids if each in features],
            "timeline": self.timeline(obj),
        }
