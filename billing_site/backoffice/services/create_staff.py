"""Makes a log-in for someone in finance."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import transaction

from billing_site.backoffice.roles import ROLES
from core.audit.services.record import record
from core.errors import InvalidInput


@transaction.atomic
def create_staff(*, username: str, group: str, password: str, full_name: str = "", email: str = "") -> Any:
    """The user `username` in the role `group`, with this password. An existing user gets both set: safe to repeat.

    InvalidInput for a group that is none of the four roles.
    """
    if group not in ROLES:
        raise InvalidInput(f"There is no role “{group}”. Nobody was created: choose {', '.join(ROLES)}.")
    first_name, _, last_name = full_name.partition(" ")
    user, created = get_user_model().objects.update_or_create(
        username=username,
        defaults={
            "is_staff": True,
            "is_active": True,
            "email": email,
            "first_name": first_name,
            "last_name": last_name,
        },
    )
    user.set_password(password)
    user.save(update_fields=["password"])
    user.groups.set([Group.objects.get(name=group)])
    record(
        verb="user.created" if created else "user.changed",
        target=user,
        did=f"{'created' if created else 'set'} the log-in {username} in the role {group}",
    )
    return user
