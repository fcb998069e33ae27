"""What an endpoint knows: its query parameters, and whether it reads a body.

Both are taken from the endpoint's own OpenAPI operation, so that what the schema names and what is refused agree.
"""

import copy
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, build_mock_request
from rest_framework.settings import api_settings
from rest_framework.views import APIView

_WITH_BODY = ("POST", "PUT", "PATCH")


@dataclass(frozen=True)
class Parameter:
    """A query parameter. `choices` are texts; none: anything. `is_text`: also an empty value says something."""

    name: str
    is_repeated: bool
    is_deep: bool
    is_text: bool
    choices: tuple[str, ...]

    @property
    def shown(self) -> str:
        """As callers write it."""
        return f"{self.name}[...]" if self.is_deep else self.name


@dataclass(frozen=True)
class Operation:
    """One method at one address."""

    parameters: Mapping[str, Parameter]
    reads_body: bool


_known: dict[tuple[type[APIView], str, str], Operation] = {}
# What describes endpoints looks for the libraries that it has answers for when it is first used, and breaks where two
# threads do that at once, as the first requests of a web process are.
DESCRIBING = threading.RLock()


def operation_of(view: Any, method: str) -> Operation:
    """The operation that `view`, a view set about to act, is for `method`. Worked out once a process."""
    method = "GET" if method == "HEAD" else method
    key = (type(view), view.action, method)
    known = _known.get(key)
    if known is None:
        with DESCRIBING:
            known = _known.get(key)
            if known is None:
                known = _known[key] = _described(view, method)
    return known


def _described(view: Any, method: str) -> Operation:
    # As the generator of the schema does it: a view of its own, with a request that asks for nothing.
    described = copy.copy(view)
    described.swagger_fake_view = True
    described.request = build_mock_request(method, "/", described, None)
    made_by: Any = getattr(getattr(view, view.action), "kwargs", {}).get("schema") or api_settings.DEFAULT_SCHEMA_CLASS
    schema: AutoSchema = made_by()
    schema.view = described
    schema.registry, schema.path, schema.path_regex, schema.path_prefix = ComponentRegistry(), "", "", ""
    schema.method = method
    named = [parameter_of(said) for said in schema._get_parameters() if said["in"] == "query"]
    reads_body = method in _WITH_BODY and schema.get_request_serializer() is not None
    return Operation({parameter.name: parameter for parameter in named}, reads_body)


def parameter_of(said: Mapping[str, Any]) -> Parameter:
    """A parameter as OpenAPI says it."""
    schema = said["schema"]
    is_repeated = schema.get("type") == "array"
    value = schema["items"] if is_repeated else schema
    choices = ("true", "false") if value.get("type") == "boolean" else tuple(map(str, value.get("enum", ())))
    return Parameter(
        name=said["name"],
        is_repeated=is_repeated,
        is_deep=said.get("style") == "deepObject",
        is_text=value.get("type") == "string" and not choices and not {"format", "pattern", "minLength"} & set(value),
        choices=choices,
    )
