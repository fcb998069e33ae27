"""Starting a close from the admin: a time and a count first, then a confirmation."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminSplitDateTimeWidget, UnfoldAdminTextareaWidget

from core import clock
from core.admin.display import admin_url
from core.admin.refusals import show_refusal
from core.admin.registry import page_of
from core.admin.words import counted, moment_text
from core.audit.reasons import because
from core.errors import BillingError, InvalidInput
from invoicing.admin.runs.run import BillingRunAdmin
from invoicing.choices import RunTrigger
from invoicing.models import BillingRun, ParkedCustomer
from invoicing.runs.due_customers import due_customers
from invoicing.runs.start_run import refuse_future, start_run
from invoicing.runs.tasks import hand_out_shards

SAMPLE = 10


class StartForm(forms.Form):
    as_of = forms.SplitDateTimeField(
        label="Everything due up to (UTC)",
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="Now, unless a close is to be made up for; never later than now.",
    )
    reason = forms.CharField(
        label="Reason", max_length=1000, required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2})
    )

    def clean_as_of(self) -> Any:
        as_of = self.cleaned_data["as_of"]
        try:
            refuse_future(as_of)
        except InvalidInput as error:
            raise forms.ValidationError(error.message) from error
        return as_of


@page_of(BillingRun)
class RunPage(BillingRunAdmin):
    change_list_template = "backoffice/run_list.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.start_view)
        return [path("start/", view, name="invoicing_billingrun_start"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        may_start = request.user.has_perm("invoicing.start_billingrun")
        return super().changelist_view(request, {"may_start_run": may_start, **(extra_context or {})})

    def start_view(self, request: HttpRequest) -> HttpResponse:
        """Asks for the time, then says how many it will be, and only then starts."""
        if not request.user.has_perm("invoicing.start_billingrun"):
            raise PermissionDenied
        form = StartForm(request.POST or None, initial={"as_of": clock.now().replace(microsecond=0)})
        context: dict[str, Any] = {"title": "Start a billing run", "form": form, "back": self._list_url()}
        if request.method == "POST" and form.is_valid():
            as_of = form.cleaned_data["as_of"]
            if "confirmed" in request.POST:
                return self._start(request, form)
            due = due_customers(as_of)
            context |= {
                "counted": True,
                "count": due.count(),
                "sample": list(due[:SAMPLE]),
                "parked": ParkedCustomer.objects.still_parked().count(),
                "as_of": as_of,
            }
        return self._page(request, "backoffice/run_start.html", context)

    def _start(self, request: HttpRequest, form: StartForm) -> HttpResponse:
        as_of = form.cleaned_data["as_of"]
        try:
            with because(form.cleaned_data["reason"]):
                run = start_run(as_of=as_of, trigger=RunTrigger.STAFF, started_by=request.user.get_username())
        except BillingError as error:
            show_refusal(request, error)
            return HttpResponseRedirect(reverse("admin:invoicing_billingrun_start"))
        if run is None:
            messages.info(request, f"Nothing is due up to {moment_text(as_of)} UTC, so no run was started.")
            return HttpResponseRedirect(self._list_url())
        transaction.on_commit(hand_out_shards, robust=True)
        messages.success(request, f"The run is started for {counted(run.customer_count, 'customer')}.")
        return HttpResponseRedirect(admin_url(run))
