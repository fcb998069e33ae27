"""The audit trail in the admin: sentences, newest first. Nobody can change it."""

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ReadOnlyAdmin
from core.admin.changes import change_rows
from core.admin.display import EMPTY, badge, moment
from core.admin.registry import page_of
from core.audit.models import AuditEntry

ACTOR_TONES = {"user": "blue", "api_key": "amber", "system": "grey"}
ACTOR_KINDS = {"user": "Staff", "api_key": "API key", "system": "System"}


@page_of(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("when", "sentence", "reason_given", "kind")
    list_display_links = ("sentence",)
    list_filter = ("actor_kind",)
    search_exact = ("verb", "actor_label")
    search_within = ("sentence", "reason")
    search_help_text = "Words of the sentence or the reason."
    sortable_by = ()
    fields = ("when", "sentence", "reason", "kind", "verb", "target_label", "before_and_after")
    readonly_fields = ("when", "kind", "before_and_after")

    @display(description="When")
    def when(self, entry: AuditEntry) -> SafeString:
        return moment(entry.at)

    @display(description="Reason")
    def reason_given(self, entry: AuditEntry) -> SafeString | str:
        return entry.reason or EMPTY

    @display(description="By")
    def kind(self, entry: AuditEntry) -> SafeString:
        return badge(ACTOR_KINDS.get(entry.actor_kind, entry.actor_kind), ACTOR_TONES.get(entry.actor_kind, "grey"))

    @display(description="Before and after")
    def before_and_after(self, entry: AuditEntry) -> SafeString:
        if not entry.changes:
            return EMPTY
        cells = format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td></tr>", change_rows(entry.changes))
        head = "<thead><tr><th>Field</th><th>Before</th><th>After</th></tr></thead>"
        return format_html('<table class="ch-table">' + head + "<tbody>{}</tbody></table>", cells)
