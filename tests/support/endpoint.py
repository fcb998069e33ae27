"""An endpoint of somebody else's: a real HTTP server in a thread, which keeps what it is sent."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Endpoint:
    """`answers` says what comes back: a status, or a function of the handler that writes the answer itself."""

    url: str = ""
    answer: int | Callable[[BaseHTTPRequestHandler], None] = 200
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.received]


@contextmanager
def listening(host: str = "127.0.0.1", tls: Any = None) -> Iterator[Endpoint]:
    """An endpoint on a free port of this machine, until the end of the block."""
    endpoint = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            endpoint.received.append((headers, body))
            endpoint.paths.append(self.path)
            if callable(endpoint.answer):
                endpoint.answer(self)
                return
            self.send_response(endpoint.answer)
            self.end_headers()
            self.wfile.write(b"seen")

        def log_message(self, *_: Any) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None: ...

    server = Server((host, 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    endpoint.url = f"http{'s' if tls else ''}://{host}:{server.server_address[1]}/hooks"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()


def redirect_to(url: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """An answer that sends the caller elsewhere."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(307)
        handler.send_header("Location", url)
        handler.end_headers()

    return answer


def drip(seconds: float) -> Callable[[BaseHTTPRequestHandler], None]:
    """An answer of which a byte comes every tenth of a second."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            handler.wfile.write(b".")
            handler.wfile.flush()
            time.sleep(0.1)

    return answer
