"""The form of a rate card: what it is called, its feature and rhythm, its price, tax and entitlement."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from django import forms
from unfold.widgets import (
    UnfoldAdminSelect2Widget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from core.admin.fields import DecimalTextInput, KeyField
from core.admin.words import rhythm_words
from core.periods import CADENCES
from entitlements.models import Feature
from subscriptions.admin.catalog.price_form import FREE, PRICE_FIELDS, PriceForm, initial_price
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.choices import RateCardType

RHYTHMS: Final = tuple((text, rhythm_words(text)) for text in CADENCES)
_NONE: Final = "none"
_ENTITLEMENTS: Final = (
    (_NONE, "None: it is priced only"),
    ("boolean", "Access: the customer has the feature"),
    ("metered", "An allowance of usage"),
    ("static", "A configuration"),
)
_ALLOWANCE: Final = ("allowance", "allowance_period", "soft_limit", "keeps_overage", "allowance_priority")
GROUPS: Final = (
    ("", ("name", "key", "feature", "cadence")),
    ("Price", PRICE_FIELDS),
    ("Tax", ("tax_behavior", "tax_code")),
    ("Entitlement", ("entitlement", *_ALLOWANCE, "config")),
)


class FeatureChoice(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} ({obj.key}), {'metered' if obj.meter_id else 'reported quantities'}"


class RateCardForm(PriceForm):
    """Adds `card` (RateCardTerms, not checked by the rules of plans yet) to the cleaned data.

    `initial["card"]` is the rate card that it starts with, if any: what the form does not ask for stays as it is there.
    """

    name = forms.CharField(max_length=256, widget=UnfoldAdminTextInputWidget, help_text="Stands on the invoice.")
    key = KeyField(help_text="What integrations call it. Lower-case letters, digits and single underscores.")
    feature = FeatureChoice(
        queryset=Feature.objects.none(),
        empty_label="none",
        required=False,
        widget=UnfoldAdminSelect2Widget,
        help_text="What is used or given. A usage price without a meter takes reported quantities.",
    )
    cadence = forms.ChoiceField(
        label="Billed",
        required=False,
        choices=(*RHYTHMS, ("", "once")),
        initial="P1M",
        widget=UnfoldAdminSelectWidget,
    )
    tax_behavior = forms.ChoiceField(
        label="The price is",
        required=False,
        choices=(("", "as the profile says"), ("exclusive", "before tax"), ("inclusive", "with tax in it")),
        widget=UnfoldAdminSelectWidget,
    )
    tax_code = forms.CharField(
        label="Tax code at Stripe",
        required=False,
        max_length=64,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "txcd_…"}),
    )
    entitlement = forms.ChoiceField(
        label="It comes with", required=False, choices=_ENTITLEMENTS, widget=UnfoldAdminSelectWidget
    )
    allowance = forms.CharField(
        label="Units after each reset", required=False, max_length=32, widget=DecimalTextInput()
    )
    allowance_period = forms.ChoiceField(
        label="Reset",
        required=False,
        choices=(("", "as it is billed"), *RHYTHMS),
        widget=UnfoldAdminSelectWidget,
    )
    allowance_priority = forms.IntegerField(
        label="Priority of the allowance",
        required=False,
        min_value=1,
        max_value=255,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
        help_text="The lower number is used up first.",
    )
    soft_limit = forms.BooleanField(label="Usage may go over it", required=False, widget=UnfoldBooleanSwitchWidget)
    keeps_overage = forms.BooleanField(
        label="What went over is kept at the reset", required=False, widget=UnfoldBooleanSwitchWidget
    )
    config = forms.CharField(
        label="Configuration",
        required=False,
        max_length=10_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text='A JSON object, such as {"regions": ["eu"]}.',
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        features = Feature.objects.filter(archived_at=None).order_by("name", "key")
        self.fields["feature"].queryset = features  # type: ignore[attr-defined]
        for name in _ALLOWANCE:
            self.fields[name].shown_for = "entitlement metered"  # type: ignore[attr-defined]
        for name in ("cadence", "tax_behavior", "entitlement", "allowance_period", "config"):
            self.fields[name].needed = True  # type: ignore[attr-defined]
        self.fields["config"].shown_for = "entitlement static"  # type: ignore[attr-defined]

    def clean_allowance(self) -> Decimal | None:
        text = self.cleaned_data["allowance"]
        if not text:
            return None
        try:
            amount = Decimal(text)
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite():
            raise forms.ValidationError("Give a number of at least 0.")
        return amount

    def clean(self) -> dict[str, Any]:
        answers = super().clean()
        if answers.get("model") not in (None, "flat", FREE):
            # Nobody can be billed for units of nothing; better said here than by a parked customer.
            if not answers.get("feature") and "feature" not in self.errors:
                self.add_error("feature", "A usage price needs a feature, which says what to count.")
            if not answers.get("cadence"):
                self.add_error("cadence", "What is billed by usage needs a billing cadence.")
        if not self.errors:
            answers["card"] = self._card(answers)
        return answers

    def _card(self, answers: Mapping[str, Any]) -> RateCardTerms:
        before: RateCardTerms | None = self.initial.get("card")
        feature = answers["feature"]
        card = before or RateCardTerms(type="", key="", name="")
        is_usage = answers["price"] is not None and answers["price"]["type"] != "flat"
        keeps_type = not is_usage and answers["cadence"] and card.type
        return replace(
            card,
            type=RateCardType.USAGE_BASED.value if is_usage else (keeps_type and card.type) or "flat_fee",
            key=answers["key"],
            name=answers["name"],
            feature_id=None,
            feature_key=feature.key if feature else None,
            billing_cadence=answers["cadence"] or None,
            price=answers["price"],
            discounts=answers["discounts"],
            tax_config=_tax_config(answers),
            entitlement_template=_entitlement(answers, card.entitlement_template or {}),
        )


def initial_card(card: RateCardTerms) -> dict[str, Any]:
    """What a `RateCardForm` starts with to show `card`."""
    tax, template = card.tax_config or {}, card.entitlement_template or {}
    return initial_price(card.price, card.discounts) | {
        "card": card,
        "name": card.name,
        "key": card.key,
        "feature": card.feature_id,
        "cadence": card.billing_cadence or "",
        "tax_behavior": tax.get("behavior"),
        "tax_code": (tax.get("stripe") or {}).get("code"),
        "entitlement": template.get("type", _NONE),
        "allowance": template.get("issueAfterReset"),
        "allowance_period": template.get("usagePeriod"),
        "allowance_priority": template.get("issueAfterResetPriority"),
        "soft_limit": template.get("isSoftLimit", False),
        "keeps_overage": template.get("preserveOverageAtReset", False),
        "config": template.get("config"),
    }


def _tax_config(answers: Mapping[str, Any]) -> dict[str, Any] | None:
    config: dict[str, Any] = {}
    if answers["tax_behavior"]:
        config["behavior"] = answers["tax_behavior"]
    if answers["tax_code"]:
        config["stripe"] = {"code": answers["tax_code"]}
    return config or None


def _entitlement(answers: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = answers["entitlement"] or _NONE
    if kind == _NONE:
        return None
    template: dict[str, Any] = {"type": kind}
    if before.get("metadata"):
        template["metadata"] = before["metadata"]
    if kind == "static":
        template["config"] = answers["config"]
    if kind == "metered":
        given = {
            "issueAfterReset": answers["allowance"],
            "issueAfterResetPriority": answers["allowance_priority"],
            "usagePeriod": answers["allowance_period"] or None,
            "isSoftLimit": answers["soft_limit"],
            "preserveOverageAtReset": answers["keeps_overage"],
        }
        template |= {name: value for name, value in given.items() if value is not None}
    return template
