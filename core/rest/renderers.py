"""How answers are written: exact JSON, and CSV where a view offers it."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework.renderers import BaseRenderer

from core.spreadsheet import safe_cell

from .wire_json import dumps


class WireJSONRenderer(BaseRenderer):
    """UTF-8 JSON without a charset in its Content-Type: the clients compare the header as a whole."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return b"" if data is None else dumps(data).encode()


class CSVRenderer(BaseRenderer):
    """A list of flat rows as CSV, the first row's keys as its header. Views that offer it put the rows into `data`."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(
        self,
        data: Sequence[Mapping[str, Any]],
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> str:
        out = io.StringIO()
        if data:
            writer = csv.DictWriter(out, fieldnames=list(data[0]))
            writer.writeheader()
            writer.writerows({name: safe_cell(value) for name, value in row.items()} for row in data)
        return out.getvalue()
