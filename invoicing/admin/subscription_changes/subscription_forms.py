"""What the verbs of a subscription ask for: when, which plan, how many, and why."""

from datetime import datetime, timedelta
from typing import Any, Final

from django import forms
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelect2Widget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from core import clock
from core.admin.verbs import ReasonForm
from core.admin.words import local_time, moment_text, quantity_text, rhythm_words
from subscriptions.catalog.plan_selectors import plans_on_sale
from subscriptions.choices import UsageOnChange
from subscriptions.lifecycle.selectors import quantity_at
from subscriptions.lifecycle.timing import IMMEDIATE, NEXT_BILLING_CYCLE, Timing, moment_of
from subscriptions.models import AddOn, ItemRevision, Plan, Subscription

# What was seen is what is done, as of the same moment; but not hours later.
SEEN_FOR: Final = timedelta(minutes=15)
AT_A_TIME: Final = "at"


class SubscriptionForm(ReasonForm):
    """Asked about one subscription, which comes as `initial["subscription"]`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.subscription: Subscription = self.initial["subscription"]
        # The first question comes first, not the reason.
        self.fields["reason"].widget.attrs.pop("autofocus", None)


class AsOfForm(forms.Form):
    """ "Now" stays the moment whose figures were shown, until they are asked for anew."""

    as_of = forms.CharField(required=False, widget=forms.HiddenInput)
    asked_anew = ("as_of",)

    def clean(self) -> dict[str, Any]:
        answers = super().clean() or {}
        now = clock.now()
        seen = _time_of(answers.get("as_of", ""))
        if seen is not None and not now - SEEN_FOR <= seen <= now:
            self._keep("")
            raise forms.ValidationError("The figures that you saw are no longer those of now. Look at them again.")
        answers["as_of"] = seen or now
        self._keep(answers["as_of"].isoformat())
        return answers

    def _keep(self, as_of: str) -> None:
        """Let the page carry the moment along."""
        self.data = self.data.copy()  # type: ignore[attr-defined]
        self.data["as_of"] = as_of  # type: ignore[index]


class WhenForm(AsOfForm, SubscriptionForm):
    """When it takes effect."""

    timing = forms.ChoiceField(label="When", widget=UnfoldAdminRadioSelectWidget)
    moment = forms.SplitDateTimeField(
        label="The other time (UTC)", required=False, widget=UnfoldAdminSplitDateTimeWidget
    )
    field_order: tuple[str, ...] = ("timing", "moment", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cycle = moment_of(NEXT_BILLING_CYCLE, subscription=self.subscription, now=clock.now())
        zone = self.subscription.time_zone
        moment: Any = self.fields["moment"]
        moment.shown_for, moment.needed = f"timing {AT_A_TIME}", True
        self.fields["timing"].choices = (  # type: ignore[attr-defined]
            (IMMEDIATE, "now"),
            (NEXT_BILLING_CYCLE, f"at the next billing cycle: {moment_text(cycle, zone)} {local_time(cycle, zone):%Z}"),
            (AT_A_TIME, "at another time"),
        )

    def clean(self) -> dict[str, Any]:
        answers = super().clean() or {}
        if answers.get("timing") == AT_A_TIME and not answers.get("moment") and "moment" not in self.errors:
            self.add_error("moment", "Say at which time.")
        return answers


def timing_of(answers: Any) -> Timing:
    """What services take, from the answers of a `WhenForm`."""
    if answers["timing"] == NEXT_BILLING_CYCLE:
        return NEXT_BILLING_CYCLE
    chosen: datetime = answers["as_of"] if answers["timing"] == IMMEDIATE else answers["moment"]
    return chosen


class PlanChoice(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} ({obj.key} v{obj.version}), billed {rhythm_words(obj.billing_cadence)}"


class ChangePlanForm(WhenForm):
    plan = PlanChoice(
        label="New plan",
        queryset=Plan.objects.none(),
        empty_label="Choose a plan",
        widget=UnfoldAdminSelect2Widget,
    )
    usage = forms.ChoiceField(
        label="Usage of the current period",
        choices=(
            (UsageOnChange.PRESERVE.value, "counts on: free units and tiers go on where they are"),
            (UsageOnChange.RESET.value, "is closed: free units and tiers start anew"),
        ),
        initial=UsageOnChange.PRESERVE.value,
        widget=UnfoldAdminRadioSelectWidget,
    )
    field_order = ("plan", "timing", "moment", "usage", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        on_sale = plans_on_sale(clock.now()).filter(currency=self.subscription.currency)
        if self.subscription.plan_id is not None:
            on_sale = on_sale.exclude(pk=self.subscription.plan_id)
        self.fields["plan"].queryset = on_sale  # type: ignore[attr-defined]
        self.fields["timing"].help_text = "An upgrade usually counts at once, a downgrade from the next cycle on."


class ItemForm(SubscriptionForm):
    """About one of the items that charge something now."""

    item = forms.ChoiceField(label="Item", widget=UnfoldAdminSelectWidget)
    flat_only = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = ItemRevision.objects.filter(
            item__subscription=self.subscription, active_from__lte=clock.now(), price__isnull=False
        ).exclude(active_to__lte=clock.now())
        if self.flat_only:
            rows = rows.filter(price__type="flat", item__purchase=None, billing_cadence__isnull=False)
        self.fields["item"].choices = [  # type: ignore[attr-defined]
            (row.item.running_number, self._label(row))
            for row in rows.select_related("item").order_by("item__running_number")
        ]

    def _label(self, row: ItemRevision) -> str:
        now = f", now {quantity_text(quantity_at(row.item, clock.now()))}" if self.flat_only else ""
        return f"{row.item.running_number}. {row.name}{now}"

    def clean_item(self) -> int:
        return int(self.cleaned_data["item"])


class QuantityForm(AsOfForm, ItemForm):
    quantity = forms.DecimalField(
        min_value=0, max_digits=30, decimal_places=12, widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"})
    )
    counts = forms.ChoiceField(
        label="It counts",
        choices=(("now", "now: the difference is billed at once"), ("next", "from the item's next billing date")),
        widget=UnfoldAdminRadioSelectWidget,
    )
    tell = forms.BooleanField(
        label="Tell the customer by e-mail", required=False, initial=True, widget=UnfoldBooleanSwitchWidget
    )
    field_order = ("item", "quantity", "counts", "tell", "reason")
    flat_only = True


class CouponForm(ItemForm):
    code = forms.CharField(label="Coupon code", max_length=64, widget=UnfoldAdminTextInputWidget)
    field_order = ("item", "code", "reason")


class AddOnForm(WhenForm):
    addon = forms.ModelChoiceField(
        label="Add-on",
        queryset=AddOn.objects.none(),
        empty_label="Choose an add-on",
        widget=UnfoldAdminSelect2Widget,
    )
    quantity = forms.IntegerField(
        min_value=0,
        max_value=2**31 - 1,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
        help_text="How many the subscription is to have from then on; 0 ends it.",
    )
    field_order = ("addon", "quantity", "timing", "moment", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = AddOn.objects.filter(plan_addons__plan=self.subscription.plan_id, deleted_at=None)
        bought = AddOn.objects.filter(purchases__subscription=self.subscription)
        self.fields["addon"].queryset = (offered | bought).distinct()  # type: ignore[attr-defined]


def _time_of(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
