"""The form for what a customer has of their own: every setting may be left to the profile."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from core.admin.choosers import CurrencyField
from core.periods import CADENCES
from customers.admin.setting_fields import ChecksWorkflow, DaysField, DurationField
from customers.choices import CollectionAlignment, CollectionMethod, LateUsage, TaxBehavior
from customers.settings_layers import WORKFLOW_FIELDS
from customers.settings_words import SETTING_LABELS, setting_words

SAID_BY_PROFILE = "said_by_profile"
_AS_PROFILE = ("", "As the profile")
_WHETHER = (_AS_PROFILE, ("yes", "Yes"), ("no", "No"))


def _whether(**options: Any) -> forms.Field:
    return forms.TypedChoiceField(
        choices=_WHETHER,
        coerce=lambda value: value == "yes",
        empty_value=None,
        required=False,
        widget=UnfoldAdminSelectWidget,
        **options,
    )


def _choice(choices: Any) -> forms.Field:
    options = [_AS_PROFILE, *choices]
    return forms.TypedChoiceField(choices=options, empty_value=None, required=False, widget=UnfoldAdminSelectWidget)


def _text(**options: Any) -> forms.Field:
    return forms.CharField(required=False, empty_value=None, widget=UnfoldAdminTextInputWidget, **options)


class OwnSettingsForm(ChecksWorkflow, forms.Form):
    """Named as the workflow's fields. `initial` has the customer's own values (`initial_of`) and, under
    `said_by_profile`, what holds for the fields that are left empty."""

    two_columns = True

    collection_method = _choice(CollectionMethod.choices)
    due_after = DurationField(required=False)
    dunning_days = DaysField(empty=None)
    uncollectible_after_dunning = _whether()
    auto_advance = _whether()
    draft_period = DurationField(required=False)
    collection_interval = DurationField(required=False)
    collection_alignment = _choice(CollectionAlignment.choices)
    collection_cadence = _choice([(cadence, setting_words("collection_cadence", cadence)) for cadence in CADENCES])
    collection_anchor = forms.DateTimeField(required=False, widget=UnfoldAdminTextInputWidget)
    late_usage = _choice(LateUsage.choices)
    progressive_billing = _whether()
    progressive_threshold = forms.DecimalField(
        max_digits=30, decimal_places=12, required=False, widget=UnfoldAdminTextInputWidget
    )
    progressive_threshold_currency = CurrencyField(required=False, none="As the profile", empty_value=None)
    tax_enabled = _whether()
    tax_enforced = _whether()
    tax_behavior = _choice(TaxBehavior.choices)
    tax_code = _text(max_length=64)
    reason = forms.CharField(
        max_length=1000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Goes to the audit trail, where it can't be changed.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        said: Mapping[str, Any] = self.initial.get(SAID_BY_PROFILE, {})
        hints = {
            "due_after": "Such as 30 days.",
            "draft_period": "Such as 1 day.",
            "collection_interval": "Such as 1 hour.",
        }
        hints |= {"collection_anchor": "Such as 2026-03-01 00:00, UTC.", "dunning_days": "Such as 1, 3, 5, 7; or none."}
        for name in WORKFLOW_FIELDS:
            field = self.fields[name]
            field.label = SETTING_LABELS[name]
            words = "says nothing" if said.get(name) in (None, "") else f"says {setting_words(name, said[name])}"
            field.help_text = f"The profile {words}. {hints.get(name, '')}".strip()


def initial_of(values: Mapping[str, Any], *, said_by_profile: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as the form starts with them."""
    initial: dict[str, Any] = {SAID_BY_PROFILE: said_by_profile}
    for name in WORKFLOW_FIELDS:
        value = values.get(name)
        if isinstance(value, bool):
            value = "yes" if value else "no"
        elif name == "collection_anchor" and value is not None:
            value = f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        initial[name] = value
    return initial


def workflow_of(answers: Mapping[str, Any]) -> dict[str, Any]:
    """What the form says of the workflow; None for what is left to the profile."""
    return {name: answers[name] for name in WORKFLOW_FIELDS}
