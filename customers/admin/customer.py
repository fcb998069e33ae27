"""Customers in the admin: the list, the form, and pinning them to a profile."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from core.admin.base import MasterDataAdmin
from core.admin.choosers import CountryField, CurrencyField, TimeZoneField
from core.admin.display import EMPTY, above, badge, cut, moment
from core.admin.filters import ActiveFilter, ChoiceFilter
from core.admin.registry import page_of
from customers.admin.party_form import PartyForm
from customers.models import BillingProfile, Customer, UsageSubject
from customers.services.create_customer import create_customer
from customers.services.customer_input import ADDRESS_FIELDS, CustomerInput


class ActiveCustomers(ActiveFilter):
    choices_of = (("deleted", "Deleted"),)
    default_label = "Not deleted"
    ended = "deleted_at"


class PinnedTo(ChoiceFilter):
    """The profiles that customers are pinned to; without a pin they follow the default."""

    title = "Billing profile"
    parameter_name = "profile"

    def lookups(self, request: HttpRequest, model_admin: Any) -> tuple[tuple[str, str], ...]:
        profiles = BillingProfile.objects.values_list("pk", "name")[:50]
        return (("default", "Follows the default"), *((str(pk), f"Pinned to {name}") for pk, name in profiles))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        if self.value() == "default":
            return queryset.filter(billing_override__billing_profile__isnull=True)
        return queryset.filter(billing_override__billing_profile=self.value())


class CustomerForm(PartyForm):
    """A customer with the subjects that count as its usage."""

    currency = CurrencyField(
        required=False,
        none="None yet",
        empty_value=None,
        help_text="Once set, new subscriptions must be in it.",
    )
    time_zone = TimeZoneField(
        label="Time zone", initial="UTC", help_text="Of new subscriptions; running ones keep theirs."
    )

    country = CountryField(
        required=False,
        none="Unknown",
        help_text="Where tax was due and would not be any more, a second person approves the move.",
    )
    subjects = forms.CharField(
        label="Usage subjects",
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Usage events with these subjects are the customer's. Separate them by commas.",
    )

    class Meta:
        model = Customer
        fields = ("name", "key", "description", "primary_email", "currency", "time_zone", "tax_id", *ADDRESS_FIELDS)
        labels = {"primary_email": "E-mail", "tax_id": "Tax id", "line1": "Address line 1", "line2": "Address line 2"}
        help_texts = {
            "key": "The customer's name in your own systems.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and not self.instance._state.adding:
            living = UsageSubject.objects.filter(customer=self.instance, deleted_at__isnull=True)
            self.initial["subjects"] = ", ".join(living.values_list("key", flat=True))

    def as_input(self) -> CustomerInput:
        """The form as the services take it. Metadata, which the form does not show, stays as it is."""
        values = self.cleaned_data
        subjects = tuple(part.strip() for part in values["subjects"].split(",") if part.strip())
        adding = self.instance._state.adding
        return CustomerInput(
            name=values["name"],
            key=values["key"] or None,
            description=values["description"] or None,
            primary_email=values["primary_email"] or None,
            currency=values["currency"],
            time_zone=values["time_zone"],
            tax_id=values["tax_id"],
            metadata=self.instance.metadata,
            address={name: values[name] for name in ADDRESS_FIELDS},
            subjects=None if adding and not subjects else subjects,
        )


@page_of(Customer)
class CustomerAdmin(MasterDataAdmin):
    list_display: tuple[str, ...] = ("name", "reached_by", "billed_in", "billed_by", "since")
    list_filter = (ActiveCustomers, PinnedTo)
    list_select_related = ("billing_override__billing_profile",)
    sortable_by = ("name", "since")
    search_exact = ("key",)
    search_prefix = ("name", "key", "primary_email")
    search_within = ("name", "primary_email", "key")
    form = CustomerForm
    fieldsets = (
        (None, {"fields": (("name", "key"), "description", ("primary_email", "tax_id"), "subjects")}),
        ("Billing", {"fields": (("currency", "time_zone"),)}),
        (
            "Address",
            {"fields": (("line1", "line2"), ("postal_code", "city"), ("state", "country"), "phone_number")},
        ),
    )

    @display(description="Key, e-mail")
    def reached_by(self, customer: Customer) -> SafeString:
        return above(cut(customer.key), cut(customer.primary_email))

    @display(description="Currency, time zone")
    def billed_in(self, customer: Customer) -> SafeString:
        return above(customer.currency or EMPTY, cut(customer.time_zone))

    @display(description="Billing profile")
    def billed_by(self, customer: Customer) -> SafeString:
        override = getattr(customer, "billing_override", None)
        pinned = override.billing_profile if override else None
        return badge(f"pin: {pinned.name}", "blue") if pinned else SafeString('<span class="ch-quiet">default</span>')

    @display(description="Customer since", ordering="created_at")
    def since(self, customer: Customer) -> SafeString:
        return moment(customer.created_at)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Customer]:
        return super().get_queryset(request).select_related("billing_override__billing_profile")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.deleted_at is None)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a verb: it is a soft delete, which must not be announced as the end of all that refers to it

    def save_recorded(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            self.replace(obj, form.as_input())
        else:
            obj.pk = create_customer(customer=form.as_input()).pk

    def replace(self, customer: Customer, replacement: CustomerInput) -> None:
        """Replace them. The package that knows of open business (`invoicing`) does it, since that binds the
        currency."""
        raise NotImplementedError
