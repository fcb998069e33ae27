"""A caller of the REST API in tests: real requests through every middleware, exact JSON both ways."""

import json
from decimal import Decimal
from typing import Any

from django.http import HttpResponse
from django.test import Client

from billing_site.access.services.create_api_key import create_api_key


class Api:
    """Calls with one API key. `raise_errors=False` shows a 500 as a caller would see it."""

    def __init__(self, *scopes: str, raise_errors: bool = True) -> None:
        self.key, self.token = create_api_key(name="Tests", scopes=scopes or ["*"])
        self._client = Client(raise_request_exception=raise_errors)

    def call(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json", **headers: str
    ) -> HttpResponse:
        """`body` is text or bytes to send as they are, or a value to send as JSON."""
        raw = body if isinstance(body, (bytes, str)) else json.dumps(body) if body is not None else b""
        sent = {"Authorization": f"Bearer {self.token}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        path = path if path.startswith("/api/") else f"/api/v1{path}"
        answer: Any = self._client.generic(method, path, raw, content_type=content_type, headers=sent)
        return answer

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **kwargs: str) -> HttpResponse:
        return self.call("POST", path, body, **kwargs)

    def put(self, path: str, body: Any = None, **kwargs: str) -> HttpResponse:
        return self.call("PUT", path, body, **kwargs)

    def delete(self, path: str, **headers: str) -> HttpResponse:
        return self.call("DELETE", path, **headers)


def data(response: HttpResponse, status: int = 200) -> Any:
    """The body of an answer that must have this status, with exact numbers."""
    assert response.status_code == status, (response.status_code, response.content[:2000])
    return json.loads(response.content, parse_float=Decimal) if response.content else None


def refused(response: HttpResponse, status: int) -> dict[str, Any]:
    """The problem detail of an answer that must be refused with this status."""
    assert response.status_code == status, (response.status_code, response.content[:2000])
    assert response.headers["Content-Type"] == "application/problem+json"
    body = json.loads(response.content)
    assert body["status"] == status
    assert body["detail"]
    return body


def fields_at_fault(response: HttpResponse) -> dict[str, str]:
    """Field to code, of a 400 that names fields."""
    return {e["field"]: e["code"] for e in refused(response, 400)["extensions"]["validationErrors"]}
