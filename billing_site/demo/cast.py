"""Who acts in the demo company: one log-in a role, and the product teams' API key."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model

from billing_site.access.services.ensure_api_key import ensure_api_key
from billing_site.backoffice.roles import ADMIN, APPROVER, AUDITOR, CLERK
from billing_site.backoffice.services.create_staff import create_staff
from core.audit.actors import Actor
from core.ids import to_text

# For a demo on one's own machine only: `seed` refuses a database that holds anything else.
PASSWORD = "countinghouse-demo"
API_KEY = "ch_demo_brightwater_0123456789"


@dataclass(frozen=True, slots=True)
class Login:
    """A person who may log in. `role` is what is printed beside the name."""

    username: str
    name: str
    role: str


LOGINS = (
    Login("clerk", "Grace Okafor", CLERK),
    Login("approver", "Tomás Herrera", APPROVER),
    Login("billing", "Ada Lindqvist", ADMIN),
    Login("auditor", "Kenji Watanabe", AUDITOR),
    Login("admin", "Robin Vale", "Superuser"),
)


@dataclass(frozen=True, slots=True)
class Cast:
    """The actors of the story."""

    clerk: Actor
    approver: Actor
    admin: Actor
    product: Actor


def engage_cast() -> Cast:
    """Make the log-ins and the key; safe to repeat."""
    users = {login.username: _user(login) for login in LOGINS}
    key = ensure_api_key(token=API_KEY, name="Product teams")
    return Cast(
        clerk=_actor(users["clerk"]),
        approver=_actor(users["approver"]),
        admin=_actor(users["billing"]),
        product=Actor("api_key", to_text(key.pk), f"API key {key.name}"),
    )


def _user(login: Login) -> Any:
    email = f"{login.username}@brightwater.example"
    if login.role != "Superuser":
        return create_staff(
            username=login.username, group=login.role, password=PASSWORD, full_name=login.name, email=email
        )
    first_name, _, last_name = login.name.partition(" ")
    return get_user_model().objects.create_superuser(
        username=login.username, password=PASSWORD, email=email, first_name=first_name, last_name=last_name
    )


def _actor(user: Any) -> Actor:
    return Actor("user", str(user.pk), user.get_full_name())
