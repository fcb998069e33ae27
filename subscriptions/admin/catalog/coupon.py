"""Coupons in the admin. What a coupon takes off is fixed once it exists: redemptions rest on it."""

from dataclasses import fields
from typing import Any

from django import forms
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from core import clock
from core.admin.base import ChangeReasonForm, MasterDataAdmin
from core.admin.choosers import CurrencyField
from core.admin.display import badge, moment
from core.admin.filters import ActiveFilter
from core.admin.registry import page_of
from core.admin.verbs import Answers, Verb
from core.admin.words import amount_text, counted, quantity_text
from subscriptions.catalog.archive_coupon import archive_coupon
from subscriptions.catalog.save_coupon import CouponFacts, create_coupon, replace_coupon
from subscriptions.models import Coupon


class UsableCoupons(ActiveFilter):
    choices_of = (("archived", "Archived"), ("all", "All"))
    default_label = "Not archived"
    ended = "archived_at"


class KeysField(forms.Field):
    """Keys, typed with commas between them."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> str:
        return ", ".join(value) if isinstance(value, list) else value or ""

    def to_python(self, value: Any) -> list[str]:
        if isinstance(value, list):
            return value
        return [part.strip() for part in (value or "").split(",") if part.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or []) != self.to_python(data)


class CouponForm(ChangeReasonForm):
    currency = CurrencyField(required=False, none="None: a percentage")
    periods = forms.IntegerField(
        required=False,
        min_value=1,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="How many billing periods it lasts; empty: forever.",
    )
    item_keys = KeysField(required=False, help_text="Item keys that it may be redeemed on; empty: any.")
    plan_keys = KeysField(required=False, help_text="Plan keys that it may be redeemed on; empty: any.")

    class Meta:
        model = Coupon
        fields = "__all__"
        help_texts = {
            "percentage": "Off each charge, such as 20. Or else an amount. A large one is approved by a second person.",
            "amount": "Off each charge, never below zero. A large one is approved by a second person.",
            "redemption_limit": "How often it may be redeemed in all; empty: without limit.",
        }

    def clean_code(self) -> str:
        return self.cleaned_data["code"].strip()


class Archive(Verb[Coupon]):
    slug = "archive"
    label = "Archive"
    permission = "subscriptions.change_coupon"
    tone = "danger"
    bulk = True

    def asks(self, coupon: Coupon) -> str:
        return f"Is the coupon {coupon} to be archived?"

    def consequences(self, coupon: Coupon) -> list[str]:
        return [
            "It can't be redeemed any more.",
            "Items on which it was redeemed keep their discount as agreed.",
            "A coupon that was never redeemed is deleted.",
        ]

    def why_not(self, request: HttpRequest, coupon: Coupon) -> str:
        return "The coupon is archived already." if coupon.archived_at else ""

    def perform(self, request: HttpRequest, coupon: Coupon, answers: Answers) -> str:
        archive_coupon(coupon=coupon)
        return f"{coupon} can't be redeemed any more."


@page_of(Coupon)
class CouponAdmin(MasterDataAdmin):
    form = CouponForm
    list_display = ("code", "takes_off", "lasts", "state", "redeemed", "expires")
    list_filter = (UsableCoupons,)
    search_prefix = ("code", "name")
    search_within = ("code", "name")
    fieldsets = (
        (None, {"fields": (("code", "name"), ("percentage", "amount", "currency"), "periods")}),
        ("Where and how often", {"fields": (("item_keys", "plan_keys"), ("redemption_limit", "expires_at"))}),
    )
    fixed = ("code", "percentage", "amount", "currency", "periods", "item_keys", "plan_keys")
    verbs = (Archive(),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Coupon]:
        return super().get_queryset(request).annotate(uses=Count("redemptions", filter=Q(redemptions__continues=None)))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.fixed if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_recorded(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        facts = CouponFacts(**{field.name: getattr(obj, field.name) for field in fields(CouponFacts)})
        if change:
            replace_coupon(coupon=obj, facts=facts)
        else:
            obj.pk = create_coupon(facts=facts).pk

    @display(description="Takes off")
    def takes_off(self, coupon: Coupon) -> SafeString:
        if coupon.percentage is not None:
            return format_html('<span class="ch-money">{} %</span>', quantity_text(coupon.percentage))
        text = f"{amount_text(coupon.amount or 0, coupon.currency)} {coupon.currency}"
        return format_html('<span class="ch-money">{}</span>', text)

    @display(description="For")
    def lasts(self, coupon: Coupon) -> str:
        return "ever" if coupon.periods is None else counted(coupon.periods, "period")

    @display(description="State")
    def state(self, coupon: Any) -> SafeString:
        if coupon.archived_at:
            return badge("Archived")
        if coupon.expires_at and coupon.expires_at <= clock.now():
            return badge("Expired", "amber")
        if coupon.redemption_limit is not None and coupon.uses >= coupon.redemption_limit:
            return badge("Used up", "amber")
        return badge("Redeemable", "green")

    @display(description="Redeemed")
    def redeemed(self, coupon: Any) -> str:
        return f"{coupon.uses} of {coupon.redemption_limit}" if coupon.redemption_limit else str(coupon.uses)

    @display(description="Expires", ordering="expires_at")
    def expires(self, coupon: Coupon) -> SafeString:
        return moment(coupon.expires_at)
