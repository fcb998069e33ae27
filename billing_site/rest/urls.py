"""Where each endpoint is. Every app lists its own addresses in `api/urls.py`; this puts them together."""

from django.urls import URLPattern, URLResolver, include, path

from entitlements.api.urls import v2_patterns

from .schema_views import DocsView, SchemaView

v1: list[URLPattern | URLResolver] = [
    path("", include("entitlements.api.urls")),
    path("", include("subscriptions.api.urls")),
    path("", include("invoicing.api.urls")),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include(v1)),
    path("v2/", include(v2_patterns)),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", DocsView.as_view(url_name="schema"), name="docs"),
]
