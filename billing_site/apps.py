"""The Django app `billing_site`: the commands and tasks that belong to no package below."""

from django.apps import AppConfig

from billing_site.celery import app as celery_app


class BillingSiteConfig(AppConfig):
    name = "billing_site"
    verbose_name = "Countinghouse"

    def ready(self) -> None:
        # Celery's current app belongs to the thread that made it; tasks are sent by the other threads of the web too.
        celery_app.set_default()
