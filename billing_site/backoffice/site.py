"""The admin site: the start page, the search over everything, and the clock in the header."""

import time
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.sites import UnfoldAdminSite

from billing_site.backoffice.dashboard import dashboard
from billing_site.backoffice.search import find
from core import clock
from core.admin.words import moment_text


def clock_label(request: HttpRequest) -> list[str] | None:
    """What the header says when time is not real."""
    if not clock.is_frozen():
        return None
    return [f"Test clock: {moment_text(clock.now())} UTC", "warning"]


class FinanceDesk(UnfoldAdminSite):
    """Django's admin in unfold's clothes, with our start page and search."""

    index_title = "Start"
    enable_nav_sidebar = True

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        return super().index(request, {**dashboard(request.user), **(extra_context or {})})

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Finds customers, invoices, plans and whatever else has a page by what staff know of them. Never cached: an
        invoice is there the moment it is made."""
        term = request.GET.get("s", "").strip()
        if not term:
            return HttpResponse()
        started = time.monotonic()
        page = Paginator(find(request.user, term), 100)
        context = {
            "page_obj": page,
            "results": page.page(1),
            "page_counter": 0,
            "command_show_history": True,
            "execution_time": time.monotonic() - started,
        }
        return TemplateResponse(
            request, "unfold/helpers/command_results.html", context, headers={"HX-Trigger": "search"}
        )
