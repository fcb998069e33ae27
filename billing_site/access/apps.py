"""The Django app `access`."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "billing_site.access"
    label = "access"
    verbose_name = "API access"
    default_auto_field = "django.db.models.BigAutoField"
