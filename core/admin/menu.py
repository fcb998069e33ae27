"""Owns what the menu calls the lists of the admin: a list has one name, whatever its model is called."""

from collections.abc import Mapping
from functools import cache

from django.conf import settings


@cache
def menu_names() -> Mapping[str, str]:
    """The name of each entry of the menu, by the address that it leads to."""
    sections = settings.UNFOLD["SIDEBAR"]["navigation"]
    return {str(item["link"]): str(item["title"]) for section in sections for item in section["items"]}
