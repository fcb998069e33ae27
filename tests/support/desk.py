"""A member of staff at the finance desk: real requests, through every middleware."""

from typing import Any

from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

PASSWORD = "correct horse battery"


def make_staff(role: str, username: str = "") -> User:
    """A user in one of the four roles, named after it. The roles are there from the beginning."""
    user = User.objects.create_user(username or role.split()[-1].lower(), password=PASSWORD, is_staff=True)
    user.first_name = user.username.capitalize()
    user.save()
    user.groups.add(Group.objects.get(name=role))
    return user


class Desk(Client):
    """Logged in as a user in `role`."""

    def __init__(self, role: str, username: str = "") -> None:
        super().__init__()
        self.user = make_staff(role, username)
        self.force_login(self.user)

    def read(self, url: str) -> str:
        """The page at `url`, which must be there."""
        response = self.get(url)
        assert response.status_code == 200, (url, response.status_code)
        return response.content.decode()

    def do(self, obj: Model, verb: str, **answers: Any) -> Any:
        """Answer a verb's question about `obj`, confirm the answers, and follow where it leads."""
        return self.post(verb_url(obj, verb), {"confirmed": "yes"} | answers, follow=True)


def page_url(obj: Model) -> str:
    return reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change", args=[obj.pk])


def verb_url(obj: Model, verb: str) -> str:
    return reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_verb", args=[obj.pk, verb])


def list_url(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def said(response: Any) -> list[str]:
    """The messages on the page that a request ended on, and what its form was refused for."""
    form = response.context.get("form")
    return [str(message) for message in [*response.context["messages"], *(form.non_field_errors() if form else ())]]
