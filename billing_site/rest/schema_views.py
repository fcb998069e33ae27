"""The OpenAPI schema and its browsable page: open to all, and as strict about query strings as every endpoint."""

from typing import Any

from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.request import Request

from core.rest.operations import Parameter
from core.rest.query_parameters import check_query

_FORMAT = Parameter("format", is_repeated=False, is_deep=False, is_text=False, choices=("json", "yaml"))


class SchemaView(SpectacularAPIView):
    """YAML, or JSON where `Accept` or `format=json` asks for it."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        check_query(request.query_params, {_FORMAT.name: _FORMAT})

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        if request.query_params.get(_FORMAT.name) == "json":
            return OpenApiJsonRenderer(), OpenApiJsonRenderer.media_type
        return super().perform_content_negotiation(request, force)


class DocsView(SpectacularSwaggerView):
    """The page on which the schema can be read and tried out."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        check_query(request.query_params, {})
