"""The process of `benchmarks.request`, on a database of its own."""

import io
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings.development")
django.setup()

from django.conf import settings  # noqa: E402 - Django first
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402

import billing_site.urls  # noqa: E402
from billing_site.access.services.create_api_key import create_api_key  # noqa: E402
from entitlements.api.metering.meters import MeterViewSet  # noqa: E402
from entitlements.models import Meter  # noqa: E402

PATH = "/api/v1/meters/tokens"


def bare(_request: HttpRequest) -> HttpResponse:
    """What Django and one look by key cost, with nothing of ours."""
    return HttpResponse(Meter.objects.get(key="tokens").name)


def main(count: int) -> None:
    """Measure `count` requests of each kind and print them."""
    settings.API_RATE_LIMIT = "100000000/h"
    billing_site.urls.urlpatterns.append(path("bare", bare))
    Meter.objects.create(key="tokens", name="Tokens", event_type="request", aggregation="COUNT")
    _key, token = create_api_key(name="Benchmark", scopes=["*"])
    whole = WSGIHandler()
    settings.MIDDLEWARE = []
    plain = WSGIHandler()

    within: list[float] = []
    retrieve: Callable[..., Any] = MeterViewSet.retrieve

    def timed(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return retrieve(*args, **kwargs)
        finally:
            within.append(time.perf_counter() - started)

    MeterViewSet.retrieve = timed  # type: ignore[method-assign]
    _times(whole, PATH, token, 50)
    _times(plain, "/bare", token, 50)
    within.clear()
    bares, requests = [], []
    for _ in range(count):  # by turns, so that what else this machine does meets both
        bares += _times(plain, "/bare", token, 1)
        requests += _times(whole, PATH, token, 1)
    rows = {
        "bare Django view, one row by key": bares,
        f"GET {PATH}": requests,
        "of it around the view": [all_ - view for all_, view in zip(requests, within, strict=True)],
    }
    measure = statistics.median(bares)
    print(f"{'':36}{'p50 ms':>9}{'p99 ms':>9}{'bare views':>12}")
    for name, times in rows.items():
        middle, late = statistics.median(times), sorted(times)[int(len(times) * 0.99)]
        print(f"{name:36}{middle * 1e3:9.3f}{late * 1e3:9.3f}{middle / measure:12.2f}")


def _times(handler: Any, path: str, token: str, count: int) -> list[float]:
    times = []
    for _ in range(count):
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_AUTHORIZATION": f"Bearer {token}",
            "CONTENT_LENGTH": "0",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
        }
        statuses: list[str] = []
        started = time.perf_counter()
        response = handler(environ, lambda status, _headers, sink=statuses: sink.append(status))
        b"".join(response)
        response.close()
        times.append(time.perf_counter() - started)
        if statuses != ["200 OK"]:
            raise RuntimeError(f"{path} answered {statuses}.")
    return times


if __name__ == "__main__":
    main(int(sys.argv[1]))
