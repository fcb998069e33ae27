"""Names the signed-in user as the actor of everything recorded during a request."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from core.audit.actors import Actor, acting_as


class ActorMiddleware:
    """Stands behind Django's authentication. REST names the API key itself, once it knows it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Only a request with a session cookie can have a user: without this check every API call would ask for one.
        if "sessionid" not in request.COOKIES or not request.user.is_authenticated:
            return self.get_response(request)
        label = request.user.get_full_name() or request.user.get_username()
        with acting_as(Actor("user", str(request.user.pk), label)):
            return self.get_response(request)
