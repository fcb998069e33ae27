"""Sets the time of a request."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from core.testclock.selectors import on_the_clock


class TestClockMiddleware:
    """Where the test clock is allowed, every request runs at its time; elsewhere this costs nothing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with on_the_clock():
            return self.get_response(request)
