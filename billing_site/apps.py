"""The Django app `billing_site`: the commands and tasks that belong to no floor below."""

from django.apps import AppConfig


class BillingSiteConfig(AppConfig):
    name = "billing_site"
    verbose_name = "Countinghouse"
