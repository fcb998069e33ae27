"""Makes the finance desk the admin site of this installation."""

from django.contrib.admin.apps import AdminConfig


class FinanceDeskConfig(AdminConfig):
    default_site = "billing_site.backoffice.site.FinanceDesk"
