"""Every body is read strictly: each serializer has the base that refuses unknown fields, and the schema says so."""

import importlib
import pkgutil

import pytest
from drf_spectacular.generators import SchemaGenerator
from rest_framework.serializers import BaseSerializer, ListSerializer, Serializer

import billing_site
import core
import customers
import entitlements
import invoicing
import subscriptions
from core.rest.serializers import WireSerializer

OURS = (core, customers, entitlements, subscriptions, invoicing, billing_site)
# Read strictly by the services, whose messages name the fields: prices, discounts, taxes, templates and events. What
# Stripe sends is Stripe's.
BY_SERVICES = {"price", "discounts", "taxConfig", "entitlementTemplate"}
FREE = {"metadata", "data", "groupBy"}


def descendants(kind):
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


def test_every_serializer_has_the_base_that_refuses_unknown_fields():
    for package in OURS:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".api" in module.name or ".rest" in module.name:
                importlib.import_module(module.name)
    names = tuple(package.__name__ for package in OURS)
    ours = [kind for kind in descendants(BaseSerializer) if kind.__module__.split(".")[0] in names]
    assert len(ours) > 100
    strangers = [kind.__name__ for kind in ours if not issubclass(kind, (WireSerializer, ListSerializer))]
    assert strangers == []
    # What they add to reading a body goes on to the base.
    own = [kind.__name__ for kind in ours if issubclass(kind, Serializer) and "to_internal_value" in vars(kind)]
    assert own == ["WireSerializer"]


def objects(schema, components, at, seen):
    """The objects that a body may hold, each with its path, down to the last one."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in seen:
            return
        yield from objects(components[name], components, at, seen | {name})
    for part in ("allOf", "oneOf", "anyOf"):
        for choice in schema.get(part, ()):
            yield from objects(choice, components, at, seen)
    if schema.get("type") == "array":
        yield from objects(schema["items"], components, f"{at}[]", seen)
    if schema.get("type") == "object":
        yield at, schema
        for name, inner in schema.get("properties", {}).items():
            if name not in BY_SERVICES | FREE:
                yield from objects(inner, components, f"{at}.{name}", seen)


@pytest.mark.parametrize("method", ["post", "put", "patch"])
def test_the_schema_says_that_no_other_fields_are_taken(method):
    schema = SchemaGenerator().get_schema(request=None, public=True)
    loose = []
    for path, methods in schema["paths"].items():
        content = methods.get(method, {}).get("requestBody", {}).get("content", {})
        for media in content.values():
            found = objects(media["schema"], schema["components"]["schemas"], path, frozenset())
            loose += [
                at for at, said in found if "properties" in said and said.get("additionalProperties") is not False
            ]
            loose += [at for at, said in found if "properties" not in said and not said.get("additionalProperties")]
    assert loose == []
