from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate

from billing_site.backoffice.roles import sync_roles


class BackofficeConfig(AppConfig):
    name = "billing_site.backoffice"
    label = "backoffice"
    verbose_name = "Finance desk"

    def ready(self) -> None:
        # Permissions appear app by app; once the last app has its own, the groups can be given theirs.
        last = [config for config in apps.get_app_configs() if config.models_module is not None][-1]
        post_migrate.connect(sync_roles, sender=last, dispatch_uid="backoffice.sync_roles")
