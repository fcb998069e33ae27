"""The media types of CloudEvents."""

from core.rest.parsers import DecimalJSONParser


class CloudEventParser(DecimalJSONParser):
    """One event."""

    media_type = "application/cloudevents+json"


class CloudEventBatchParser(DecimalJSONParser):
    """An array of events."""

    media_type = "application/cloudevents-batch+json"
