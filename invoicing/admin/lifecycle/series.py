"""Number series in the admin: read only, because numbers are allocated where invoices are issued."""

from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ReadOnlyAdmin
from core.admin.display import moment
from core.admin.registry import page_of
from invoicing.models import NumberSeries
from invoicing.models.series import format_number


@page_of(NumberSeries)
class NumberSeriesAdmin(ReadOnlyAdmin):
    list_display = ("prefix", "kind", "supplier", "next_document", "last_issued")
    list_display_links = None
    list_select_related = ("supplier",)

    @display(description="Next number")
    def next_document(self, series: NumberSeries) -> str:
        return format_number(series.prefix, series.next_number)

    @display(description="Last issued")
    def last_issued(self, series: NumberSeries) -> SafeString:
        return moment(series.last_issued_at)
