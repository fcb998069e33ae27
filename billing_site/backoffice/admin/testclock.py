"""The test clock in the admin: what time billing believes it is. It is set over REST."""

from django.utils.safestring import SafeString
from unfold.decorators import display

from core import clock
from core.admin.base import ReadOnlyAdmin
from core.admin.display import badge, moment
from core.admin.registry import page_of
from core.testclock.models import ClockSetting


@page_of(ClockSetting)
class ClockSettingAdmin(ReadOnlyAdmin):
    list_display = ("billing_time", "state", "heading_to", "real_time")
    list_display_links = None

    @display(description="Time for billing")
    def billing_time(self, setting: ClockSetting) -> SafeString:
        return moment(setting.now or clock.real_now())

    @display(description="State")
    def state(self, setting: ClockSetting) -> SafeString:
        if setting.advancing_to:
            return badge("Advancing", "amber")
        return badge("Set", "blue") if setting.now else badge("Real time", "green")

    @display(description="Advancing to")
    def heading_to(self, setting: ClockSetting) -> SafeString:
        return moment(setting.advancing_to)

    @display(description="Real time")
    def real_time(self, setting: ClockSetting) -> SafeString:
        return moment(clock.real_now())
