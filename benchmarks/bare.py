"""A WSGI application that answers one row by its key and does nothing else: the measure of a machine. `path` is the
address, `KEY` the meter whose name is answered."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings.development")
django.setup()

from django.conf import settings  # noqa: E402 - Django first
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402

from entitlements.models import Meter  # noqa: E402

KEY = "calls"


def bare(_request: HttpRequest) -> HttpResponse:
    """What Django and one look by key cost, with nothing of ours."""
    return HttpResponse(Meter.objects.get(key=KEY).name)


urlpatterns = [path("bare", bare)]


def application() -> WSGIHandler:
    """The application, for `gunicorn "benchmarks.bare:application()"`."""
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = []
    return WSGIHandler()
