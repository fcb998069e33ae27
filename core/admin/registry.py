"""Owns which class shows a model in the admin: of all that offer a page for it, the one that builds on the others.

A lower package shows what it knows; a higher package's page for the same model inherits that one and adds what only it
knows. Each class only says what it is a page of. The site takes up the result once all are known.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.admin import AdminSite, ModelAdmin
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model

Page = TypeVar("Page", bound="type[ModelAdmin[Any]]")

_pages: "dict[type[Model], type[ModelAdmin[Any]]]" = {}
_hidden: set[type[Model]] = set()


def page_of(model: type[Model]) -> Callable[[Page], Page]:
    """Mark a class as the admin page of `model`. ImproperlyConfigured where another page of it is known that the class
    does not inherit: one of them would be lost."""

    def remember(page: Page) -> Page:
        known = _pages.get(model)
        if known is not None and not issubclass(page, known):
            raise ImproperlyConfigured(
                f"{page.__module__}.{page.__qualname__} is a page of {model._meta.label} and does not build on "
                f"{known.__module__}.{known.__qualname__}, which is one, too: inherit it."
            )
        _pages[model] = page
        return page

    return remember


def no_page_of(model: type[Model]) -> None:
    """Show no page of a model of somebody else's package, though that package brings one."""
    _hidden.add(model)


def fill(site: AdminSite) -> None:
    """Give the site every page that is known; call it once all admin modules are imported. Our pages stand in the place
    of those that other packages bring for the same models."""
    for model in {*_pages, *_hidden}:
        if site.is_registered(model):
            site.unregister(model)
    for model, page in _pages.items():
        site.register(model, page)
