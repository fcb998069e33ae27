"""Sends one request to an endpoint of somebody else's, in a bounded time, and to no address of our own network.

The name is looked up once. Its addresses are checked, and one of just these is connected to: a name that answers
otherwise the next time leads nowhere. Certificates are checked against the name; redirects are answers like others.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from ipaddress import ip_address

from core.notifications.addresses import Network, Target, may_reach

LOOK_UP_SECONDS = 5.0
CONNECT_SECONDS = 5.0
# Of all, from the first connection to the last byte: also an endpoint that answers a byte at a time ends then.
SECONDS = 15.0
MAX_ANSWER_BYTES = 64 * 1024

# The addresses behind a name: as `socket.getaddrinfo` finds them.
Resolve = Callable[[str, int], Sequence[str]]


class NotSent(Exception):
    """There is no answer; the message says why, in words for whoever looks after the endpoint."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint said. `body` is the beginning of it, at most `MAX_ANSWER_BYTES`; `retry_after` the header of
    that name."""

    status: int
    body: bytes
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may reach and take. `allowed` are networks of our own that it may go to, None: any."""

    allowed: Sequence[Network] | None = ()
    look_up_seconds: float = LOOK_UP_SECONDS
    connect_seconds: float = CONNECT_SECONDS
    seconds: float = SECONDS


def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses of a host. OSError where it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def post(
    target: Target,
    body: bytes,
    headers: Mapping[str, str],
    *,
    limits: Limits,
    resolve: Resolve = look_up,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """Post `body`, and answer what came back within the limits. NotSent where nothing did, or nothing was sent."""
    addresses = _checked(target, limits, resolve)
    watch = _Watch(limits.seconds)
    context = tls or ssl.create_default_context()
    connection = (
        _Secure(target, addresses, limits, watch, context)
        if target.is_secure
        else _Plain(target, addresses, limits, watch)
    )
    try:
        connection.putrequest("POST", target.path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", target.host_header)
        for name, value in {"Content-Length": str(len(body)), "Connection": "close", **headers}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        read = answer.read(MAX_ANSWER_BYTES)
        if watch.is_over:  # what was read ends where the connection was cut
            raise TimeoutError
        return Answer(answer.status, read, answer.getheader("Retry-After"))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotSent(watch.said() or _said(error)) from error
    finally:
        watch.end()
        connection.close()


def _checked(target: Target, limits: Limits, resolve: Resolve) -> Sequence[str]:
    try:
        found = _within(limits.look_up_seconds, lambda: resolve(target.host, target.port))
    except (OSError, UnicodeError) as error:
        raise NotSent(f"The name {target.host} could not be resolved: {error}.") from error
    # A zone of an address ("fe80::1%eth0") names a network card of ours.
    public = [
        text
        for text in found
        if limits.allowed is None or ("%" not in text and may_reach(ip_address(text), limits.allowed))
    ]
    if len(public) < len(found) or not found:
        raise NotSent(f"The name {target.host} leads to an address that webhooks may not be sent to. Nothing was sent.")
    return public


def _within(seconds: float, look_up: Callable[[], Sequence[str]]) -> Sequence[str]:
    """What `look_up` answers within the time. Nothing ends the system's own look-up, which may wait for name servers
    for half a minute and longer: its thread is left to it, and ends with it or with the process."""
    answer: Future[Sequence[str]] = Future()

    def look() -> None:
        try:
            answer.set_result(look_up())
        except (OSError, UnicodeError) as error:
            answer.set_exception(error)

    threading.Thread(target=look, name="look-up of a name", daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError:
        if answer.done():  # the resolver itself says so
            raise
        raise TimeoutError(f"no name server answered within {seconds:g} seconds") from None


class _Watch:
    """Ends a connection whose time is over, whatever it waits for."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.ends_at, self.is_over = seconds, time.monotonic() + seconds, False
        self._timer: threading.Timer | None = None
        self._line: socket.socket | None = None

    def over(self, line: socket.socket) -> None:
        """Watch over this connection from now on."""
        # Another handle of the same connection: that of a TLS connection can't be shut down from another thread.
        self._line = line.dup()
        self._timer = threading.Timer(max(0, self.ends_at - time.monotonic()), self._cut)
        self._timer.daemon = True
        self._timer.start()

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        if self._line is not None:
            self._line.close()

    def said(self) -> str:
        return f"It timed out: there was no whole answer within {self.seconds:g} seconds." if self.is_over else ""

    def _cut(self) -> None:
        self.is_over = True
        assert self._line is not None
        try:
            self._line.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side was quicker


class _Plain(http.client.HTTPConnection):
    """A connection to one of the addresses that were checked."""

    def __init__(self, target: Target, addresses: Sequence[str], limits: Limits, watch: _Watch) -> None:
        super().__init__(target.host, target.port, timeout=limits.seconds)
        self.target, self.addresses, self.limits, self.watch = target, addresses, limits, watch

    def connect(self) -> None:
        self.sock = self._line()

    def _line(self) -> socket.socket:
        failed: OSError | None = None
        for address in self.addresses:
            left = min(self.limits.connect_seconds, self.watch.ends_at - time.monotonic())
            if left <= 0:
                break
            try:
                line = socket.create_connection((address, self.target.port), timeout=left)
            except OSError as error:
                failed = error
                continue
            self.watch.over(line)
            line.settimeout(self.limits.seconds)
            return line
        raise failed or TimeoutError("timed out")


class _Secure(_Plain):
    """The same over TLS, for the name and not for the address."""

    def __init__(
        self, target: Target, addresses: Sequence[str], limits: Limits, watch: _Watch, context: ssl.SSLContext
    ) -> None:
        super().__init__(target, addresses, limits, watch)
        self.context = context

    def connect(self) -> None:
        line = self._line()
        try:
            self.sock = self.context.wrap_socket(line, server_hostname=self.target.host)
        except BaseException:  # closed first: nobody else knows of the line
            line.close()
            raise


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "It timed out: no connection was made in time."
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"Its certificate is not valid: {error.verify_message}."
    return f"The connection failed: {error or type(error).__name__}."
