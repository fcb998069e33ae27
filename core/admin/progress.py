"""Owns the progress bar of long work."""

from django.utils.html import format_html
from django.utils.safestring import SafeString


def progress_bar(percent: int, tone: str = "") -> SafeString:
    """A bar with its percentage; in a tone (red, amber) where not all went well."""
    return format_html(
        '<span class="ch-progress" role="progressbar" aria-valuenow="{0}" aria-valuemin="0" aria-valuemax="100">'
        '<span class="ch-progress-track"><span class="ch-progress-fill{1}" style="width:{0}%"></span></span>'
        '<span class="ch-progress-label">{0} %</span></span>',
        percent,
        f" ch-{tone}-fill" if tone else "",
    )
