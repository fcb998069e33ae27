"""The OpenAPI schema and its browsable page: open to all, and as strict about query strings as every endpoint."""

from functools import cache
from typing import Any

from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.request import Request

from core.rest.operations import DESCRIBING, Parameter
from core.rest.query_parameters import check_query

_FORMAT = Parameter("format", is_repeated=False, is_deep=False, is_text=False, choices=("json", "yaml"))
_RENDERERS = {renderer.media_type: renderer for renderer in SpectacularAPIView.renderer_classes}


@cache
def _drawn() -> dict[str, Any]:
    with DESCRIBING:
        schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return schema


@cache
def schema_bytes(media_type: str) -> str | bytes:
    """The schema as `media_type`, drawn once a process: it is that of the code, whoever asks, by whatever host.

    Drawing takes over a second, and the page is open to all: drawn anew each time, it would be a cheap way to keep
    every worker busy.
    """
    return _RENDERERS[media_type]().render(_drawn(), media_type, {})


class SchemaView(SpectacularAPIView):
    """YAML, or JSON where `Accept` or `format=json` asks for it."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        check_query(request.query_params, {_FORMAT.name: _FORMAT})

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        if request.query_params.get(_FORMAT.name) == "json":
            return OpenApiJsonRenderer(), OpenApiJsonRenderer.media_type
        return super().perform_content_negotiation(request, force)

    def _get_schema_response(self, request: Request) -> HttpResponse:
        renderer = request.accepted_renderer
        charset = f"; charset={renderer.charset}" if renderer.charset else ""
        return HttpResponse(
            schema_bytes(renderer.media_type),
            content_type=f"{renderer.media_type}{charset}",
            headers={"Content-Disposition": f'inline; filename="{self._get_filename(request, self.api_version)}"'},
        )


class DocsView(SpectacularSwaggerView):
    """The page on which the schema can be read and tried out."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        check_query(request.query_params, {})
