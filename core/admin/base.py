"""The model admins that all of ours build on: lists that stay fast, read pages, and changes that leave a trace."""

from copy import copy
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminTextInputWidget

from core import ids
from core.admin.changes import changes_of, sentence_of
from core.admin.display import admin_url
from core.admin.menu import menu_names
from core.admin.paginator import CappedPaginator
from core.admin.proposals import form_shown, propose
from core.admin.refusals import explain
from core.admin.search import MAX_FOUND, matching
from core.admin.timeline import TimelineEntry, merge_timeline
from core.admin.verb_pages import VerbAdmin
from core.admin.verbs import Verb
from core.approvals.errors import ApprovalNeeded
from core.audit.models import AuditEntry
from core.audit.reasons import because
from core.audit.services.record import record
from core.errors import BillingError

TIMELINE_LENGTH = 50


class ChangeReasonForm(forms.ModelForm):
    """A form that also asks why."""

    change_reason = forms.CharField(
        label="Reason for the change",
        required=False,
        max_length=1000,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Goes to the audit trail together with the old and new values.",
    )


class BoundedChangeList(ChangeList):
    """Without a filter, what was counted (up to the cap) is all there is: no second count, no "show all"."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not (self.has_active_filters or self.query):
            self.full_result_count = self.result_count


class BackOfficeAdmin(VerbAdmin):
    """A list with bounded counts and index-friendly search, and a read page in front of the form.

    With a `page_template`, an object's address shows that page; its form moves to `…/edit/`. `search_exact` and
    `search_prefix` are looked up first, as a whole; only when they find nothing are `search_within` searched for the
    term anywhere. An id in its 26-character form always finds its row.
    """

    paginator = CappedPaginator
    show_full_result_count = False
    # A count beside each choice of a filter is a count of the whole table.
    show_facets = ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 200
    list_fullwidth = True
    list_filter_submit = False
    compressed_fields = False
    warn_unsaved_form = True
    actions_on_bottom = False
    list_before_template = "admin/quick_filter.html"

    page_template: str | None = None
    verbs: tuple[Verb[Any], ...] = ()
    search_exact: tuple[str, ...] = ()
    search_prefix: tuple[str, ...] = ()
    search_within: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.search_fields = (*self.search_exact, *self.search_prefix, *self.search_within)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BoundedChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        known = ids.from_text(term)
        if known is not None:
            return queryset.filter(pk=known), False
        # One stage after the other: an OR over tables would read all of a million rows.
        for fields, lookup in ((self.search_exact, "exact"), (self.search_prefix, "istartswith")):
            if not fields:
                continue
            condition, is_cut = matching(self.model, fields, lookup, term)
            found = queryset.filter(condition)
            if found.exists():
                if is_cut:
                    messages.info(request, f"More than {MAX_FOUND:,} match “{term}”; not all are shown: type more.")
                return found, False
        if not self.search_within:
            return queryset.none(), False
        anywhere = Q()
        for field in self.search_within:
            anywhere |= Q(**{f"{field}__icontains": term})
        return queryset.filter(anywhere), False

    def get_urls(self) -> list[URLPattern]:
        urls = super().get_urls()
        if self.page_template is None:
            return urls
        name = f"{self.opts.app_label}_{self.opts.model_name}_edit"
        return [path("<path:object_id>/edit/", self.admin_site.admin_view(self.edit_view), name=name), *urls]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if self.page_template is None or request.method == "POST" or IS_POPUP_VAR in request.GET:
            return super().change_view(request, object_id, form_url, extra_context)
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": str(obj),
            "opts": self.opts,
            "object": obj,
            "object_id": ids.to_text(obj.pk) if hasattr(obj.pk, "int") else obj.pk,
            "media": self.media,
            "buttons": self.buttons(request, obj),
            "edit_url": self.edit_url(request, obj),
            **self.page_context(request, obj),
            **(extra_context or {}),
        }
        return TemplateResponse(request, self.page_template, context)

    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form of an object whose address shows its page."""
        return super().change_view(request, object_id)

    def readable(self, request: HttpRequest, object_id: str) -> Any:
        """The object of an address, for whoever may see it. Http404 where there is none, else PermissionDenied."""
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            raise Http404
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        return obj

    def edit_url(self, request: HttpRequest, obj: models.Model) -> str | None:
        """Where the object can be edited, or None when it can't."""
        if self.page_template is None or not self.has_change_permission(request, obj):
            return None
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_edit", args=[obj.pk])

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """What the read page shows besides the object itself."""
        return {}

    def trail_of(self, obj: models.Model) -> models.QuerySet[AuditEntry]:
        """Every audit entry about `obj`, the newest first."""
        return AuditEntry.objects.filter(target_type=self.opts.label_lower, target_id=obj.pk)

    def timeline(self, obj: models.Model) -> list[AuditEntry]:
        """The latest audit entries about `obj`."""
        return list(self.trail_of(obj)[:TIMELINE_LENGTH])

    def timeline_entries(self, obj: Any) -> list[TimelineEntry]:
        """What happened to `obj` besides what is in the audit trail, the newest first."""
        return []

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        page = CappedPaginator(self.trail_of(obj), TIMELINE_LENGTH).get_page(request.GET.get("p"))
        entries, is_first, is_last = list(page.object_list), not page.has_previous(), not page.has_next()
        context = {
            "title": f"History: {obj}",
            "object": obj,
            "timeline": merge_timeline(entries, self.timeline_entries(obj), is_first=is_first, is_last=is_last),
            "page": page,
            "is_whole": True,
            "back": admin_url(obj),
        }
        return self._page(request, "admin/history.html", context)

    # The audit trail is the only record of who did what; Django's own log would be a second one.
    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None: ...

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None: ...

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None: ...

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        # One way to save, which leads back to the page.
        extra_context = {
            "show_save_and_continue": False,
            "show_save_and_add_another": False,
            **(extra_context or {}),
        }
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ApprovalNeeded as needed:
            obj = self.get_object(request, unquote(object_id)) if object_id is not None else None
            if "_confirmed" not in request.POST:
                return self._ask_to_propose(request, needed, obj)
            messages.warning(request, propose(request, needed, model=self.model, obj=obj))
            return HttpResponseRedirect(admin_url(obj) if obj is not None else self._list_url())
        except BillingError as error:
            # Rolled back. The same form once more, with what was typed and with the refusal on top.
            request.__dict__["refusal"] = error
            return super().changeform_view(request, object_id, form_url, extra_context)

    def _ask_to_propose(self, request: HttpRequest, needed: ApprovalNeeded, obj: Any) -> HttpResponse:
        """Nobody proposes anything without being asked: what was typed is sent once more from here."""
        form = self.get_form(request, obj, change=obj is not None)(request.POST, instance=copy(obj))
        context = {
            "title": f"{'Change' if obj else 'Add'} {self.opts.verbose_name}",
            "object": obj,
            "changes": form_shown(form),
            "needs": [needed],
            "posted": [
                (name, value)
                for name, values in request.POST.lists()
                for value in values
                if name not in ("csrfmiddlewaretoken", "_again")
            ],
            "reason": request.POST.get("change_reason", ""),
            "back": admin_url(obj) if obj is not None else self._list_url(),
        }
        return self._page(request, "admin/propose.html", context)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        plural = str(self.opts.verbose_name_plural)
        title = menu_names().get(self._list_url(), plural[:1].upper() + plural[1:])
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        refusal = getattr(request, "refusal", None)
        if refusal is not None:
            return type(form.__name__, (_Refused, form), {"refusal": refusal})
        return type(form.__name__, (_Anew, form), {}) if "_again" in request.POST else form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        asks = issubclass(self.form, ChangeReasonForm) and self.has_change_permission(request, obj)
        if not asks or any("change_reason" in options["fields"] for _, options in fieldsets):
            return fieldsets
        return [*fieldsets, (None, {"fields": ["change_reason"]})]


class _Refused:
    """A form that a service refused: it says why, and is not saved."""

    refusal: BillingError

    def clean(self) -> Any:
        cleaned = super().clean()  # type: ignore[misc]
        self.add_error(None, explain(self.refusal))  # type: ignore[attr-defined]
        return cleaned


class _Anew:
    """A form that is shown once more with what was typed, and not saved."""

    def is_valid(self) -> bool:
        super().is_valid()  # type: ignore[misc]
        return False


class ReadOnlyAdmin(BackOfficeAdmin):
    """For what only services write: shown, never edited."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class MasterDataAdmin(BackOfficeAdmin):
    """For master data that staff edit in a form. Every save and delete leaves a sentence in the audit trail."""

    form = ChangeReasonForm

    def customer_id_of(self, obj: Any) -> Any:
        """Whose timeline the change belongs to."""
        return None

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        with because(form.cleaned_data.get("change_reason", "")):
            self.save_recorded(request, obj, form, change)

    def save_recorded(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save and record it. Overridden where a service does both."""
        changes = changes_of(form)
        super().save_model(request, obj, form, change)
        noun = self.opts.verbose_name
        if change and not changes:
            return
        record(
            verb=f"{self.opts.model_name}.{'changed' if change else 'created'}",
            target=obj,
            did=f"changed {noun} {obj}: {sentence_of(changes, self.model)}" if change else f"created {noun} {obj}",
            changes=changes,
            customer_id=self.customer_id_of(obj),
        )

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        record(
            verb=f"{self.opts.model_name}.deleted",
            target=obj,
            did=f"deleted {self.opts.verbose_name} {obj}",
            customer_id=self.customer_id_of(obj),
        )
        super().delete_model(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        # One at a time, each with its page of consequences: deleting many at once is no daily job.
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        response = super().response_add(request, obj, post_url_continue)
        return self._to_page(request, obj, response)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        response = super().response_change(request, obj)
        return self._to_page(request, obj, response)

    def _to_page(self, request: HttpRequest, obj: Any, response: HttpResponse) -> HttpResponse:
        if self.page_template is None or IS_POPUP_VAR in request.POST:
            return response
        return HttpResponseRedirect(admin_url(obj))
