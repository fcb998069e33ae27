"""The web server as `make serve` starts it: connections that are kept, and answers that Django never sees."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.conftest import copy_data, houses
from tests.runtime.test_serve import Server

KEY = {"Authorization": "Bearer dev-key-0123456789"}


@pytest.fixture(scope="module")
def port(migrated_data: Path) -> Iterator[int]:
    """A running server with an API key."""
    with houses() as make:
        house = make()
        copy_data(migrated_data, house.data)
        house.environment["BILLING_API_KEY"] = "dev-key-0123456789"
        yield Server(house).port


def raw(port: int, sent: bytes) -> tuple[int, str, dict[str, object]]:
    """The status, the content type and the body that bytes on a connection are answered with."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(sent)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.headers["Content-Type"], json.loads(answer.read())


def test_a_connection_that_was_idle_for_longer_than_clients_keep_one_still_answers(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        for pause in (0, 6, 2.5):
            time.sleep(pause)
            connection.request("GET", "/api/v1/customers", headers=KEY)
            answer = connection.getresponse()
            assert (answer.status, answer.headers.get("Connection", "keep-alive").lower()) == (200, "keep-alive")
            answer.read()
    finally:
        connection.close()


def test_the_longest_query_that_is_allowed_fits_into_the_request_line(port: int) -> None:
    subjects = "&".join(f"subject={'%F0%9F%98%80' * 255}{number % 10}" for number in range(100))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", f"/api/v1/meters/nobody/query?{subjects}", headers=KEY)
        answer = connection.getresponse()
        # Nothing is wrong with the query; there is no such meter.
        assert (answer.status, json.loads(answer.read())["type"]) == (404, "urn:countinghouse:error:meter_not_found")
    finally:
        connection.close()


HOST = b"Host: localhost\r\n"
HEAD = HOST + b"Authorization: Bearer dev-key-0123456789\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /api/v1/customers?name=" + b"x" * 600_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n", 414),
        (b"GET /api/v1/customers HTTP/1.1\r\n" + HEAD + b"X-Long: " + b"x" * 9000 + b"\r\n\r\n", 431),
        (b"GET /api/v1/customers HTTP/1.1\r\n" + HEAD + b"X-Many: 1\r\n" * 120 + b"\r\n", 431),
        (b"GET /api/v1/customers HTTP/1.1\r\n" + HEAD + b"No colon\r\n\r\n", 400),
        (b"GET /api/v1/customers HTTP/9.9\r\n" + HEAD + b"\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"POST /api/v1/events HTTP/1.1\r\n" + HEAD + b"Content-Length: many\r\n\r\n", 400),
        (b"POST /api/v1/events HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST /api/v1/events HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST /api/v1/events HTTP/1.1\r\n" + HEAD + b"Content-Length: 99999999\r\n\r\n", 413),
        (b"POST /api/v1/events HTTP/1.1\r\n" + HEAD + b"Content-Type: text/yaml\r\nContent-Length: 2\r\n\r\na:", 415),
        (
            b"POST /api/v1/events HTTP/1.1\r\n"
            + HEAD
            + b"Content-Type: application/json\r\nContent-Length: 1\r\n\r\n{",
            400,
        ),
        (
            b"POST /api/v1/events HTTP/1.1\r\n"
            + HEAD
            + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n\xff\xfe",
            400,
        ),
        (b"BREW /api/v1/customers HTTP/1.1\r\n" + HEAD + b"\r\n", 405),
        (b"GET /api/v1/nothing HTTP/1.1\r\n" + HEAD + b"\r\n", 404),
        (b"GET /api HTTP/1.1\r\n" + HEAD + b"\r\n", 404),
        (b"GET /api/v1/customers?name=%ff HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
        (b"GET /api/v1/customers?" + b"&a=1" * 1100 + b" HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
        (b"GET /api/v1/customers/%ff HTTP/1.1\r\n" + HEAD + b"\r\n", 404),
        (b"GET /api/v1/customers HTTP/1.1\r\n" + HOST + b"\r\n", 401),
    ],
    ids=lambda value: value[:40].decode() if isinstance(value, bytes) else None,
)
def test_whatever_goes_wrong_is_a_problem_detail(port: int, sent: bytes, status: int) -> None:
    answered, content_type, body = raw(port, sent)
    assert (answered, content_type) == (status, "application/problem+json"), body
    assert body["status"] == status
    assert set(body) >= {"type", "title", "detail", "instance"}
