"""The verb that grants usage once, on top of what an entitlement has."""

from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminRadioSelectWidget, UnfoldAdminSelectWidget

from core import clock
from core.admin.fields import DecimalTextInput
from core.admin.verbs import Answers, Effect, ReasonForm, Verb
from core.admin.words import quantity_text
from core.ids import from_text, new_id, to_text
from entitlements.access.create_grant import create_grant
from entitlements.access.grant_input import MAX_PRIORITY, GrantInput
from entitlements.access.selectors import entitlements_with_facts
from entitlements.access.values import is_active, values_at
from entitlements.choices import EntitlementType
from entitlements.models import Entitlement

NOTHING, ALL = "nothing", "all"


class GrantForm(ReasonForm):
    """`grant_id` is carried along, so that a page sent twice grants once."""

    amount = forms.DecimalField(min_value=Decimal(0), max_digits=27, decimal_places=12, widget=DecimalTextInput)
    expires_after = forms.IntegerField(
        label="Counts for",
        required=False,
        min_value=1,
        max_value=10_000,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="From now on; empty: until it is used up.",
    )
    expires_unit = forms.ChoiceField(
        label="Days, weeks, months or years",
        choices=[("DAY", "days"), ("WEEK", "weeks"), ("MONTH", "months"), ("YEAR", "years")],
        widget=UnfoldAdminSelectWidget,
    )
    kept = forms.ChoiceField(
        label="What a reset keeps of it",
        choices=[(ALL, "what is left of it"), (NOTHING, "nothing: it is for this usage period")],
        widget=UnfoldAdminRadioSelectWidget,
    )
    priority = forms.IntegerField(
        min_value=0,
        max_value=MAX_PRIORITY,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="The lowest burns first; then what expires first.",
    )
    grant_id = forms.CharField(widget=forms.HiddenInput, max_length=26)
    field_order = ("amount", "expires_after", "expires_unit", "kept", "priority", "reason", "grant_id")

    def clean_grant_id(self) -> Any:
        known = from_text(self.cleaned_data["grant_id"])
        if known is None:
            raise forms.ValidationError("Open the page anew.")
        return known


class GrantUsage(Verb[Entitlement]):
    slug = "grant"
    label = "Grant usage"
    permission = "entitlements.add_grant"
    tone = "primary"
    form = GrantForm

    def asks(self, entitlement: Entitlement) -> str:
        return f"How much more of {entitlement.feature_key} may {entitlement.customer} use?"

    def consequences(self, entitlement: Entitlement) -> list[str]:
        notes = ["It counts from now on. Usage that nothing has covered yet is taken from it first."]
        if entitlement.managed_in is not None:
            notes.append("A subscription manages the entitlement: this comes on top, and moves along to another plan.")
        return notes

    def shows(self, entitlement: Entitlement) -> bool:
        return entitlement.type == EntitlementType.METERED

    def why_not(self, request: HttpRequest, entitlement: Entitlement) -> str:
        return "" if is_active(entitlement, clock.now()) else "The entitlement is not active now."

    def initial(self, entitlement: Entitlement) -> dict[str, Any]:
        return {"grant_id": to_text(new_id()), "expires_unit": "DAY", "kept": ALL, "priority": 1}

    def effects(self, entitlement: Entitlement, answers: Answers) -> list[Effect]:
        now = clock.now()
        loaded = entitlements_with_facts().get(pk=entitlement.pk)
        value = values_at([loaded], now)[entitlement.pk]
        if value.balance is None or value.overage is None:
            return []
        amount = answers.get("amount") or Decimal(0)
        owed = min(value.overage, amount)
        return [
            Effect("Left", quantity_text(value.balance), quantity_text(value.balance + amount - owed)),
            Effect("Overage", quantity_text(value.overage), quantity_text(value.overage - owed)),
        ]

    def perform(self, request: HttpRequest, entitlement: Entitlement, answers: Answers) -> str:
        after = answers["expires_after"]
        grant = create_grant(
            entitlement=entitlement,
            grant=GrantInput(
                amount=answers["amount"],
                effective_at=clock.now(),
                priority=answers["priority"],
                expiration=(answers["expires_unit"], after) if after else None,
                max_rollover=Decimal(0) if answers["kept"] == NOTHING else None,
            ),
            grant_id=answers["grant_id"],
        )
        return f"{entitlement.customer} may use {quantity_text(grant.amount)} more of {entitlement.feature_key}."
