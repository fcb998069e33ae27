"""How bodies are read: strict UTF-8 JSON, exact numbers, a limit on size."""

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

from .wire_json import JSONProblem, loads


class BodyTooLarge(APIException):
    """The body is larger than `API_MAX_BODY_BYTES`: 413."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"

    def __init__(self) -> None:
        super().__init__(f"The body is larger than {settings.API_MAX_BODY_BYTES} bytes. Send less at a time.")


class DecimalJSONParser(BaseParser):
    """JSON in which a number is an `int` or a `Decimal`, never a float."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        raw = stream.read(settings.API_MAX_BODY_BYTES + 1)
        if len(raw) > settings.API_MAX_BODY_BYTES:
            raise BodyTooLarge
        try:
            return loads(raw)
        except JSONProblem as problem:
            raise ParseError(str(problem)) from problem
