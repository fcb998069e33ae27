"""Drafting a profile migration: from where, to where, for whom; counted first, then drafted and checked."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from core.admin.base import ReadOnlyAdmin
from core.admin.display import admin_url
from core.admin.refusals import explain
from core.audit.reasons import because
from core.errors import BillingError
from core.ids import from_text, to_text
from core.money import currencies
from customers.models import BillingProfile, Customer
from customers.selectors import customers_on
from invoicing.admin.profile_moves.migration_verbs import Check, start_check
from invoicing.models import ProfileMigration
from invoicing.profile_moves.cohort import customers_matching
from invoicing.profile_moves.draft_migration import draft_migration

SAMPLE = 10
_MOST_NAMED = 5000
_TEXTS = {"customer_name": "customerName", "customer_key": "customerKey", "customer_email": "customerPrimaryEmail"}


class DraftForm(forms.Form):
    """Which customers of which profile are to move where. Filters that are left empty keep everybody."""

    from_profile = forms.ModelChoiceField(
        label="From",
        queryset=BillingProfile.objects.filter(deleted_at=None),
        empty_label="Choose a profile",
        widget=UnfoldAdminSelectWidget,
    )
    to_profile = forms.ModelChoiceField(
        label="To",
        queryset=BillingProfile.objects.filter(deleted_at=None, archived_at=None),
        empty_label="Choose a profile",
        widget=UnfoldAdminSelectWidget,
        help_text="The first step of a safe move: create the target before, where it does not exist yet.",
    )
    customer_name = forms.CharField(label="Name contains", required=False, widget=UnfoldAdminTextInputWidget)
    customer_key = forms.CharField(label="Key contains", required=False, widget=UnfoldAdminTextInputWidget)
    customer_email = forms.CharField(label="E-mail contains", required=False, widget=UnfoldAdminTextInputWidget)
    currency = forms.CharField(
        label="Billed in", required=False, widget=UnfoldAdminTextInputWidget, help_text="Such as EUR, USD."
    )
    named = forms.CharField(
        label="Only these customers",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Keys or ids, separated by lines, commas or spaces. Who of them is billed by another profile shows "
        "as blocked.",
    )
    reason = forms.CharField(label="Reason", max_length=1000, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}))

    @property
    def filters_used(self) -> bool:
        """Whether a filter has something in it, so that it should be seen."""
        return any(self[name].value() for name in (*_TEXTS, "currency", "named"))

    def clean_currency(self) -> list[str]:
        codes = [part.strip().upper() for part in self.cleaned_data["currency"].split(",") if part.strip()]
        unknown = [code for code in codes if code not in currencies()]
        if unknown:
            raise forms.ValidationError(f"Not a currency of ISO 4217: {', '.join(unknown)}.")
        return codes

    def clean_named(self) -> list[str]:
        words = list(dict.fromkeys(self.cleaned_data["named"].replace(",", " ").split()))
        if len(words) > _MOST_NAMED:
            raise forms.ValidationError(f"At most {_MOST_NAMED:,} at a time.")
        ids = {word: known for word in words if (known := from_text(word)) is not None}
        living = Customer.objects.filter(Q(key__in=words) | Q(pk__in=ids.values()), deleted_at=None)
        found = {word: pk for pk, key in living.values_list("pk", "key") for word in (key, to_text(pk))}
        unknown = [word for word in words if word not in found and word.upper() not in found]
        if unknown:
            more = f" and {len(unknown) - SAMPLE} more" if len(unknown) > SAMPLE else ""
            raise forms.ValidationError(f"No customer has the key or id {', '.join(unknown[:SAMPLE])}{more}.")
        return sorted({to_text(found.get(word) or found[word.upper()]) for word in words})

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        source = cleaned.get("from_profile")
        if source is not None and source == cleaned.get("to_profile"):
            self.add_error("to_profile", "A move must lead to another profile.")
        return cleaned

    def criteria(self) -> dict[str, Any]:
        """The filters by the names that the migration keeps."""
        values = self.cleaned_data
        criteria = {wire: values[name] for name, wire in _TEXTS.items() if values[name]}
        if values["currency"]:
            criteria["currency"] = values["currency"]
        if values["named"]:
            criteria["customerId"] = values["named"]
        return criteria


class DraftsMigrations(ReadOnlyAdmin):
    """The `add` page of profile migrations."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return request.user.has_perm("invoicing.add_profilemigration")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Asks for whom, then says how many that is, and only then drafts and checks."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = DraftForm(request.POST or None, initial=request.GET.dict())
        context: dict[str, Any] = {"title": "Move customers to another profile", "form": form, "back": self._list_url()}
        if request.method == "POST" and form.is_valid() and "anew" not in request.POST:
            if "confirmed" in request.POST:
                drafted = self._draft(request, form)
                if drafted is not None:
                    return HttpResponseRedirect(admin_url(drafted))
            else:
                context |= self._counted(form)
        return self._page(request, "backoffice/migration_draft.html", context)

    def _counted(self, form: DraftForm) -> dict[str, Any]:
        source, criteria = form.cleaned_data["from_profile"], form.criteria()
        theirs = customers_matching(customers_on(source), criteria)
        return {
            "counted": True,
            "count": theirs.count(),
            "sample": list(theirs.order_by("name")[:SAMPLE]),
            "elsewhere": len(criteria.get("customerId", ())) - theirs.count() if "customerId" in criteria else 0,
            "source": source,
            "target": form.cleaned_data["to_profile"],
        }

    def _draft(self, request: HttpRequest, form: DraftForm) -> ProfileMigration | None:
        values = form.cleaned_data
        try:
            with because(values["reason"]):
                migration = draft_migration(
                    from_profile=values["from_profile"],
                    to_profile=values["to_profile"],
                    criteria=form.criteria(),
                    reason=values["reason"],
                )
        except BillingError as error:
            form.add_error(None, explain(error))
            return None
        messages.success(request, "The migration is drafted. Nobody moves yet.")
        if Check().allowed(request):
            try:
                messages.info(request, start_check(migration))
            except BillingError as error:
                messages.warning(request, explain(error))
        return migration
