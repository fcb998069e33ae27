from django.apps import AppConfig


class TestClockConfig(AppConfig):
    name = "core.testclock"
    label = "testclock"
    verbose_name = "Test clock"
