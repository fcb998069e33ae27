"""gunicorn's settings, and its own refusals as problem details: they come before Django sees a request.

Start it with `gunicorn --config python:billing_site.web_server billing_site.wsgi`, and workers and threads as you like.
"""

import contextlib
import gc
import json
import socket
from http import HTTPStatus
from typing import Any

from django.urls import get_resolver
from gunicorn.http import errors, message
from gunicorn.workers.gthread import ThreadWorker

from core.ids import new_id, to_text

# 100 subjects of 256 characters, the most that a query names, are 300 KiB where each is percent-encoded. gunicorn
# allows no more than this constant of its own, whatever `limit_request_line` says.
message.MAX_REQUEST_LINE = limit_request_line = 512 * 1024
# Clients and proxies close an idle connection first: undici after 4 s, nginx and AWS' load balancers after 60 s. If the
# server did, a request that is on its way at that moment would be lost.
keepalive = 75
# Whoever asks for a stop gets it within half a minute, whatever requests wait for.
graceful_timeout = 10

_STATUSES = (
    (errors.LimitRequestLine, 414),
    (errors.LimitRequestHeaders, 431),
    (errors.ExpectationFailed, 417),
    (errors.ForbiddenProxyRequest, 403),
    (errors.UnsupportedTransferCoding, 501),
    ((errors.InvalidResponseHeader, errors.InvalidResponseHeaderName, errors.ConfigurationProblem), 500),
    (errors.ParseException, 400),
)
_DETAILS = {
    400: "This is not HTTP that we can read: {error}.",
    403: "The request may not come this way.",
    414: f"The address is longer than {limit_request_line} bytes. Ask for less at a time, or send a query as a POST.",
    417: "The Expect header asks for what we can't do.",
    431: "The headers of the request are too many or too long.",
    500: "Something went wrong on our side.",
    501: "Send the body with a Content-Length, not in chunks.",
}


class ProblemWorker(ThreadWorker):
    """Threads; what can't be answered by the application is a problem detail (RFC 7807) instead of a page."""

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        status = next((status for kinds, status in _STATUSES if isinstance(exc, kinds)), 500)
        if status == 500:
            self.log.error("Error handling a request", exc_info=exc)
        else:
            self.log.warning("Unreadable request from %s: %s", (addr or ("a socket",))[0], exc)
        with contextlib.suppress(OSError):
            client.setblocking(True)
            client.settimeout(5)
            client.sendall(problem_response(status, error=str(exc)[:200]))


def problem_response(status: int, *, error: str = "") -> bytes:
    """A whole HTTP answer that closes its connection."""
    phrase = HTTPStatus(status).phrase
    body = json.dumps(
        {
            "type": "urn:countinghouse:error:http",
            "title": phrase,
            "status": status,
            "detail": _DETAILS[status].format(error=error),
            "instance": f"urn:request:{to_text(new_id())}",
        }
    )
    head = [
        f"HTTP/1.1 {status} {phrase}",
        "Connection: close",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join([*head, "", ""]) + body).encode("ascii")


def post_worker_init(worker: ThreadWorker) -> None:
    """What is loaded by now stays as long as the worker: the garbage collector need not look through it again and
    again, which took a tenth of a worker's time while batches of usage came in."""
    get_resolver().url_patterns  # noqa: B018 - loads the views, which otherwise come with the first request
    gc.collect()
    gc.freeze()


worker_class = ProblemWorker
