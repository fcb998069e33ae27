"""Pages beside a billing profile: two compared, who is pinned to it, whom a change reaches before it is saved."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.text import slugify

from billing_site.backoffice.profile_reach import open_drafts, pinned_customers, pinned_since, reach_of
from core.admin.display import admin_url
from core.admin.export import csv_response
from core.admin.paginator import CappedPaginator
from core.approvals.limits import foreseeing
from core.ids import from_text
from customers.admin.override import OVERRIDABLE
from customers.admin.profile import BillingProfileAdmin
from customers.compare_profiles import compared
from customers.effective_settings import override_values, profile_values
from customers.models import BillingProfile, Customer, CustomerOverride
from customers.setting_differences import Difference, differences
from customers.settings_layers import WORKFLOW_FIELDS
from customers.settings_words import SETTING_LABELS, setting_words
from invoicing.profile_moves.limit_profile_changes import foresee_profile_change

PER_PAGE = 50
CHUNK = 500
DRAFTS_SHOWN = 5
_COLUMNS = ("Customer", "Key", "E-mail", "Currency", "Own settings", "Pinned at", "Pinned by", "Reason")


class ProfilePages(BillingProfileAdmin):
    """Adds the pages that need what no lower package knows: invoices, and the audit trail."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("compare/", wrap(self.compare_view), name="customers_billingprofile_compare"),
            path("<path:object_id>/customers/", wrap(self.pinned_view), name="customers_billingprofile_pinned"),
            path("<path:object_id>/customers.csv", wrap(self.pinned_csv), name="customers_billingprofile_pinned_csv"),
            *super().get_urls(),
        ]

    def get_changeform_initial_data(self, request: HttpRequest) -> Any:
        """A new profile may begin as a copy of another one: the first step of a safe move."""
        copied = self.get_object(request, request.GET.get("copy", ""))
        if copied is None:
            return super().get_changeform_initial_data(request)
        values = {name: getattr(copied, name) for name in (*WORKFLOW_FIELDS, "description", "supplier", "app")}
        return values | {"name": f"{copied.name} (copy)"}

    def compare_view(self, request: HttpRequest) -> HttpResponse:
        """Two profiles side by side. Without a choice, the default and the first other one."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        profiles = list(self.get_queryset(request).filter(deleted_at=None).order_by("-is_default", "name"))
        left, right = _chosen(profiles, request.GET.get("left"), request.GET.get("right"))
        rows = compared(left, right) if left and right else []
        context = {
            "title": "Compare billing profiles",
            "profiles": profiles,
            "left": left,
            "right": right,
            "rows": rows,
            "differing": sum(1 for row in rows if row.differs),
        }
        return self._page(request, "backoffice/profile_compare.html", context)

    def pinned_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Who is pinned to the profile, since when, by whom and why; of the default also who follows it."""
        profile = self.readable(request, object_id)
        without_pin = "unpinned" in request.GET and profile.is_default
        page = CappedPaginator(pinned_customers(profile, without_pin=without_pin), PER_PAGE)
        rows = page.get_page(request.GET.get("p"))
        context = {
            "title": f"Who is billed by {profile}",
            "profile": profile,
            "without_pin": without_pin,
            "page": rows,
            "filters": "unpinned" if without_pin else "",
            "customers": _described(rows.object_list),
        }
        return self._page(request, "backoffice/profile_pinned.html", context)

    def pinned_csv(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        profile = self.readable(request, object_id)
        without_pin = "unpinned" in request.GET and profile.is_default
        filename = f"{'following' if without_pin else 'pinned-to'}-{slugify(profile.name) or profile.pk}.csv"
        return csv_response(filename, _COLUMNS, _cells(profile, without_pin))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Before a change of what customers are billed by is saved, a page says whom it reaches."""
        if request.method == "POST" and object_id and "_confirmed" not in request.POST:
            asked = self._reach_page(request, object_id)
            if asked is not None:
                return asked
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _reach_page(self, request: HttpRequest, object_id: str) -> HttpResponse | None:
        profile = self.get_object(request, unquote(object_id))
        if profile is None or not self.has_change_permission(request, profile):
            return None
        before, supplier = profile_values(profile), profile.supplier
        form = self.get_form(request, profile, change=True)(request.POST, request.FILES, instance=profile)
        changed = [name for name in form.changed_data if name in SETTING_LABELS or name == "supplier"]
        if not changed or not form.is_valid():
            return None
        reach = reach_of(profile, changed)
        rows = differences(before, profile_values(profile))
        if "supplier" in changed:
            rows.append(Difference("supplier", "Supplier", str(supplier), str(form.cleaned_data["supplier"])))
        with foreseeing() as needs:
            foresee_profile_change(profile.pk, form.cleaned_data, form.cleaned_data["supplier"])
        drafts = open_drafts(profile)
        context = {
            "title": "Propose changes" if needs else "Save changes",
            "object": profile,
            "profile": profile,
            "rows": [
                (row, reach.following(row.field), reach.overriding.get(row.field, 0)) for row in rows if row.differs
            ],
            "reach": reach,
            "needs": needs,
            "draft_count": drafts.count(),
            "drafts": list(drafts[:DRAFTS_SHOWN]),
            "posted": [(name, value) for name, values in request.POST.lists() for value in values if _is_answer(name)],
            "reason": request.POST.get("change_reason", ""),
            "back": admin_url(profile),
        }
        return self._page(request, "backoffice/profile_reach.html", context)


def _chosen(
    profiles: list[BillingProfile], left: str | None, right: str | None
) -> tuple[BillingProfile | None, BillingProfile | None]:
    known = {str(profile.pk): profile for profile in profiles}
    first = known.get(_plain_id(left)) or (profiles[0] if profiles else None)
    others = [profile for profile in profiles if profile != first]
    return first, known.get(_plain_id(right)) or (others[0] if others else None)


def _plain_id(text: str | None) -> str:
    identity = from_text(text or "")
    return str(identity) if identity else text or ""


def _is_answer(name: str) -> bool:
    return name not in ("csrfmiddlewaretoken", "change_reason", "_confirmed")


def own_settings(override: CustomerOverride | None) -> list[tuple[str, str]]:
    """What a customer has of their own, in words: label and value."""
    if override is None:
        return []
    values = override_values(override)
    return [
        (SETTING_LABELS[name], setting_words(name, values[name])) for name in OVERRIDABLE if values[name] is not None
    ]


def _described(customers: Iterable[Customer]) -> list[dict[str, Any]]:
    listed = list(customers)
    since = pinned_since([customer.pk for customer in listed])
    return [
        {
            "customer": customer,
            "own": own_settings(getattr(customer, "billing_override", None)),
            "pinned": since.get(customer.pk),
        }
        for customer in listed
    ]


def _cells(profile: BillingProfile, without_pin: bool) -> Iterator[tuple[Any, ...]]:
    chunk: list[Customer] = []
    for customer in pinned_customers(profile, without_pin=without_pin).iterator(chunk_size=CHUNK):
        chunk.append(customer)
        if len(chunk) == CHUNK:
            yield from _lines(chunk, without_pin)
            chunk = []
    yield from _lines(chunk, without_pin)


def _lines(customers: list[Customer], without_pin: bool) -> Iterator[tuple[Any, ...]]:
    for row in _described(customers):
        customer, pinned = row["customer"], None if without_pin else row["pinned"]
        yield (
            customer.name,
            customer.key or "",
            customer.primary_email or "",
            customer.currency or "",
            "; ".join(f"{label.lower()}: {value}" for label, value in row["own"]),
            pinned.at.isoformat() if pinned else "",
            pinned.by if pinned else "",
            pinned.reason if pinned else "",
        )
