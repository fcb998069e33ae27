"""How the OpenAPI schema is drawn: the key as a bearer token, problem details, `Idempotency-Key`."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from core.rest.serializers import WireSerializer

from .errors import CONTENT_TYPE

_TEXT = {"type": "string"}
_PROBLEM = {
    "type": "object",
    "description": "RFC 7807. `extensions.validationErrors` names every field at fault, by its dotted path.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri", "example": "urn:countinghouse:error:validation"},
        "title": {"type": "string", "example": "Bad Request"},
        "status": {"type": "integer", "example": 400},
        "detail": _TEXT,
        "instance": {"type": "string", "format": "uri"},
        "extensions": {
            "type": "object",
            "additionalProperties": {},
            "properties": {
                "validationErrors": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["code", "field", "message"],
                        "properties": {"code": _TEXT, "field": _TEXT, "message": _TEXT},
                    },
                }
            },
        },
    },
}
_IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="Makes the request safe to repeat: the first answer is given again. Another body is a 409.",
)


class BearerKeyScheme(OpenApiAuthenticationExtension):
    """Tells the schema of our authentication."""

    target_class = "billing_site.rest.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer"}


class WireAutoSchema(AutoSchema):
    """Adds to each operation what the conventions say of all."""

    def get_override_parameters(self) -> list[Any]:
        return [_IDEMPOTENCY_KEY] if self.method == "POST" else []

    def get_tags(self) -> list[str]:
        # /api/v1/customers/... -> customers
        words = [word for word in self.path.split("/") if word and not word.startswith("{")]
        return [words[2] if len(words) > 2 else words[-1]]

    def get_description(self) -> str:  # type: ignore[override]
        view_description = super().get_description() or ""
        scope = getattr(self.view, "required_scopes", {}).get(self.method)
        return f"{view_description}\n\nScope: `{scope}`".strip() if scope else view_description

    def _map_basic_serializer(self, serializer: Any, direction: str) -> dict[str, Any]:
        schema: dict[str, Any] = super()._map_basic_serializer(serializer, direction)
        if direction == "request" and isinstance(serializer, WireSerializer):
            schema["additionalProperties"] = False
        return schema

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation = super().get_operation(*args, **kwargs)
        if operation is not None:
            component = ResolvedComponent(
                name="Problem", type=ResolvedComponent.SCHEMA, schema=_PROBLEM, object="problem"
            )
            self.registry.register_on_missing(component)
            operation["responses"]["default"] = {
                "description": "What went wrong, and what to do.",
                "content": {CONTENT_TYPE: {"schema": component.ref}},
            }
        return operation
