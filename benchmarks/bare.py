"""A WSGI application with nothing of ours, the measure of a machine: `bare` answers the name of one meter by its key,
`events` stores the events of a batch and does nothing else with them."""

import json
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings.development")
django.setup()

from django.conf import settings  # noqa: E402 - Django first
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402

from entitlements.models import Meter  # noqa: E402

KEY = "calls"
_INSERT = """
    INSERT INTO entitlements_usageevent (id, ingested_at, source, external_id, time, type, subject, data)
    SELECT gen_random_uuid(), now(), * FROM unnest(
        %s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::jsonb[]
    )
"""


def bare(_request: HttpRequest) -> HttpResponse:
    """What Django and one look by key cost."""
    return HttpResponse(Meter.objects.get(key=KEY).name)


def events(request: HttpRequest) -> HttpResponse:
    """What reading a batch and one insert cost: no check, no key by which an event is known, no rollup."""
    rows = [
        (event["source"], event["id"], event["time"], event["type"], event["subject"], json.dumps(event["data"]))
        for event in json.loads(request.body)
    ]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [list(column) for column in zip(*rows, strict=True)])
    return HttpResponse(status=204)


urlpatterns = [path("bare", bare), path("events", events)]


def application() -> WSGIHandler:
    """The application, for `gunicorn "benchmarks.bare:application()"`."""
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = []
    return WSGIHandler()
