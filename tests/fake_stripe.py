"""A small Stripe of our own: a real HTTP server that honours idempotency keys and misbehaves where it is told to."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class FakeStripe:
    """One account. `behaviour` by customer: decline, action, drop (charges, then drops the connection), away (drops
    the connection before it charges), processing; else a charge succeeds."""

    def __init__(self) -> None:
        self.intents: dict[str, dict[str, Any]] = {}
        self.by_key: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.behaviour: dict[str, str] = {}
        self.customers: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.refund_behaviour = ""  # drop (gives back, then drops the connection) or refuse
        self.account = "acct_fake"
        self.refuse_key = False
        self.lock = threading.Lock()

    def add_customer(self, name: str, *, method: str | None = "pm_1", behaviour: str = "") -> str:
        self.customers[name] = {
            "id": name,
            "object": "customer",
            "currency": None,
            "invoice_settings": {"default_payment_method": method},
        }
        self.behaviour[name] = behaviour
        return name

    def charged(self, customer: str) -> list[int]:
        """What was really taken from the customer."""
        mine = [intent for intent in self.intents.values() if intent["customer"] == customer]
        return [intent["amount"] for intent in mine if intent["status"] == "succeeded"]

    def event(self, kind: str, thing: dict[str, Any], *, created: int | None = None, name: str = "") -> bytes:
        """The body of an event about `thing` as it is now."""
        body = {
            "id": name or f"evt_{len(self.requests)}_{kind}_{time.monotonic_ns()}",
            "object": "event",
            "type": kind,
            "livemode": False,
            "created": created or int(time.time()),
            "data": {"object": json.loads(json.dumps(thing))},
        }
        return json.dumps(body).encode()

    def answer(self, method: str, path: str, form: dict[str, str], key: str) -> tuple[int, dict[str, Any]] | None:
        """Status and body; None drops the connection."""
        with self.lock:
            self.requests.append((method, path))
            if self.refuse_key:
                return 401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}}
            parts = path.strip("/").split("/")[1:]
            if parts == ["account"]:
                return 200, {"id": self.account, "object": "account"}
            if parts[0] == "customers":
                return self._found(self.customers.get(parts[1]))
            if parts[0] == "payment_methods":
                owner = next((c for c, row in self.customers.items() if parts[1] in str(row)), None)
                return self._found({"id": parts[1], "object": "payment_method", "customer": owner} if owner else None)
            if parts == ["refunds"] and method == "POST":
                return self._refund(form, key)
            if parts == ["refunds"]:
                mine = [r for r in self.refunds.values() if r["payment_intent"] == form.get("payment_intent")]
                return 200, {"object": "list", "data": mine, "has_more": False, "url": "/v1/refunds"}
            if parts == ["payment_intents"] and method == "POST":
                return self._create(form, key)
            if parts == ["payment_intents"]:
                mine = [i for i in self.intents.values() if i["customer"] == form.get("customer")]
                return 200, {"object": "list", "data": mine, "has_more": False, "url": "/v1/payment_intents"}
            intent = self.intents.get(parts[1])
            if intent is not None and parts[-1] == "cancel":
                if intent["status"] == "succeeded":
                    return 400, {"error": {"type": "invalid_request_error", "message": "It has succeeded."}}
                intent["status"] = "canceled"
            return self._found(intent)

    def _found(self, thing: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        if thing is None:
            return 404, {"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "None."}}
        return 200, thing

    def _refund(self, form: dict[str, str], key: str) -> tuple[int, dict[str, Any]] | None:
        if self.refund_behaviour == "refuse":
            return 400, {"error": {"type": "invalid_request_error", "message": "The card is gone."}}
        refund = self.refunds.setdefault(
            key,
            {
                "id": f"re_{len(self.refunds) + 1}",
                "object": "refund",
                "amount": int(form["amount"]),
                "payment_intent": form["payment_intent"],
                "metadata": {"refund_id": form["metadata[refund_id]"]},
                "status": "succeeded",
            },
        )
        return None if self.refund_behaviour == "drop" else (200, refund)

    def _create(self, form: dict[str, str], key: str) -> tuple[int, dict[str, Any]] | None:
        customer = form["customer"]
        behaviour = self.behaviour.get(customer, "")
        if behaviour == "away":
            return None
        intent = self.by_key.get(key)
        if intent is None:
            intent = {
                "id": f"pi_{len(self.intents) + 1}",
                "object": "payment_intent",
                "amount": int(form["amount"]),
                "currency": form["currency"],
                "customer": customer,
                "created": int(time.time()),
                "metadata": {k[9:-1]: v for k, v in form.items() if k.startswith("metadata[")},
                "status": {"action": "requires_action", "processing": "processing"}.get(behaviour, "succeeded"),
                "last_payment_error": None,
            }
            if behaviour == "decline":
                intent["status"] = "requires_payment_method"
                intent["last_payment_error"] = {"code": "card_declined", "message": "Your card was declined."}
            self.intents[intent["id"]] = self.by_key[key] = intent
        if behaviour == "drop":
            return None
        if behaviour == "decline":
            error = {"type": "card_error", "code": "card_declined", "decline_code": "generic_decline"}
            return 402, {"error": error | {"message": "Your card was declined.", "payment_intent": intent}}
        return 200, intent


def signature(body: bytes, secret: str, *, at: int | None = None) -> str:
    """Stripe's signature header for `body`."""
    moment = at or int(time.time())
    mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={mac}"


@contextmanager
def running(fake: FakeStripe) -> Iterator[str]:
    """Serve `fake` on a free loopback port; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve(dict(parse_qsl(urlsplit(self.path).query)))

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self._serve(dict(parse_qsl(self.rfile.read(length).decode())))

        def _serve(self, form: dict[str, str]) -> None:
            path = urlsplit(self.path).path
            answer = fake.answer(self.command, path, form, self.headers.get("Idempotency-Key") or "")
            if answer is None:
                self.close_connection = True
                return
            raw = json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
