import pytest
from django.core.management import call_command
from django.urls import get_resolver
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)

from billing_site.rest.schema_views import schema_bytes
from core.rest.views import WireViewSet
from tests.support.api import Api, data


def routed_views(patterns=None):
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if hasattr(pattern, "url_patterns"):
            yield from routed_views(pattern.url_patterns)
        elif hasattr(pattern.callback, "cls") and issubclass(pattern.callback.cls, WireViewSet):
            yield pattern.callback


def test_every_method_of_every_endpoint_declares_its_scope():
    missing = [
        f"{view.cls.__name__} {method}"
        for view in routed_views()
        for method in view.actions
        if method != "head" and method.upper() not in view.cls.required_scopes
    ]
    assert not missing


def test_the_schema_covers_everything_without_a_warning(tmp_path):
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yaml"))


@pytest.mark.django_db
def test_schema_and_docs_are_served_without_a_key_or_another_host(client):
    schema = data(client.get("/api/schema/?format=json", headers={"Accept": "application/json"}))
    assert schema["components"]["securitySchemes"]["apiKey"] == {"type": "http", "scheme": "bearer"}
    page = client.get("/api/docs/").content.decode()
    assert "swagger-ui" in page
    assert "https://" not in page


@pytest.mark.parametrize(
    ("accept", "renderer"),
    [
        ("application/vnd.oai.openapi", OpenApiYamlRenderer),
        ("application/yaml", OpenApiYamlRenderer2),
        ("application/vnd.oai.openapi+json", OpenApiJsonRenderer),
        ("application/json", OpenApiJsonRenderer2),
    ],
)
@pytest.mark.django_db
def test_the_schema_that_is_kept_is_the_one_that_would_be_drawn_anew(client, accept, renderer):
    drawn = renderer().render(SchemaGenerator().get_schema(public=True), accept, {})
    anonymous = client.get("/api/schema/", headers={"Accept": accept})
    assert anonymous.content == drawn
    assert anonymous["Content-Type"].startswith(accept)
    keyed = Api("billing:read").get("/api/schema/", Accept=accept, Host="localhost")
    assert keyed.content == drawn


def test_the_schema_is_drawn_once_a_process():
    assert schema_bytes("application/json") is schema_bytes("application/json")
