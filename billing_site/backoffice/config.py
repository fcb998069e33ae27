"""Makes the finance desk the admin site of this installation, with the page of each model."""

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig

from core.admin import registry


class FinanceDeskConfig(AdminConfig):
    default_site = "billing_site.backoffice.site.FinanceDesk"

    def ready(self) -> None:
        super().ready()
        registry.fill(admin.site)
