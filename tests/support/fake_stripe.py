"""A small Stripe of our own: a real HTTP server that honours idempotency keys and misbehaves where it is told to."""

import hashlib
import hmac
import json
import threading
import time
import urllib.request
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from stripe import HTTPClient

Answer = tuple[int, dict[str, Any]] | None


class FakeStripe:
    """One account. `behaviour` by customer: decline, action, drop (charges, then drops the connection), away (drops
    the connection before it charges), silent (drops the connection when it is asked about the customer), processing,
    overtake (the webhook of a charge is sent before its answer), drop_429 and drop_401 (charges, drops the connection,
    and answers the repeated request with that status), refuse CODE PARAM (an invalid request), stall (charges, and
    answers once `go_on` is set); else a charge succeeds."""

    def __init__(self, *, account: str = "acct_fake", api_key: str = "") -> None:
        self.intents: dict[str, dict[str, Any]] = {}
        self.by_key: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.behaviour: dict[str, str] = {}
        self.customers: dict[str, dict[str, Any]] = {}
        self.methods: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.refund_behaviour = ""  # drop (gives back, then drops the connection), refuse, wait (pending), strange
        self.account, self.api_key = account, api_key
        self.refuse_key = False
        self.too_many = 0  # so many requests are answered by 429
        self.events: list[bytes] = []  # to be sent by `send_events`
        self.webhook, self.webhook_secret = "", ""  # where events go to
        self.lock = threading.Lock()
        self.stalled, self.go_on = threading.Event(), threading.Event()

    def add_customer(
        self,
        name: str,
        *,
        method: str | None = "pm_1",
        behaviour: str = "",
        currency: str | None = None,
        expires: tuple[int, int] = (12, 2099),
    ) -> str:
        """A customer whose default payment method is a card that is good up to the month `expires`."""
        self.customers[name] = {
            "id": name,
            "object": "customer",
            "currency": currency,
            "invoice_settings": {"default_payment_method": method},
        }
        if method:
            self.add_method(method, customer=name, expires=expires)
        self.behaviour[name] = behaviour
        return name

    def add_method(self, method: str, *, customer: str | None, expires: tuple[int, int] = (12, 2099)) -> None:
        card = {"brand": "visa", "last4": "4242", "exp_month": expires[0], "exp_year": expires[1]}
        self.methods[method] = {
            "id": method,
            "object": "payment_method",
            "type": "card",
            "card": card,
            "customer": customer,
        }

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

    def send(self, body: bytes) -> int:
        """Send an event to the webhook, signed, as Stripe does; the status of the answer."""
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(body, self.webhook_secret),
        }
        request = urllib.request.Request(self.webhook, body, headers, method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)

    def send_events(self, of: Collection[str] | None = None) -> int:
        """Send what has happened since, the newest first and each twice; how many events there were.

        With `of`, only what is about charges of these customers: the rest is lost on the way.
        """
        with self.lock:
            waiting, self.events = self.events, []
        sent = 0
        for body in reversed(waiting):
            if of is None or json.loads(body)["data"]["object"].get("customer") in of:
                assert {self.send(body) for _ in range(2)} == {200}
                sent += 1
        return sent

    def fail_refund(self, refund: dict[str, Any]) -> None:
        """The customer's bank returns the money."""
        refund |= {"status": "failed", "failure_reason": "lost_or_stolen_card"}
        self.events.append(self.event("refund.failed", refund))

    def confirm(self, intent_id: str) -> None:
        """The customer confirms a charge that waited for them."""
        intent = self.intents[intent_id]
        intent["status"] = "succeeded"
        self.events.append(self.event("payment_intent.succeeded", intent))

    def answer(self, method: str, path: str, form: dict[str, str], key: str) -> Answer:
        """Status and body; None drops the connection."""
        with self.lock:
            self.requests.append((method, path))
            if self.refuse_key:
                return 401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}}
            if self.too_many:
                self.too_many -= 1
                return 429, {"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "Slow down."}}
            parts = path.strip("/").split("/")[1:]
            if parts == ["account"]:
                return 200, {"id": self.account, "object": "account"}
            if parts[0] == "customers":
                return self._customer(parts[1], form)
            if parts[0] == "payment_methods":
                return self._found(self.methods.get(parts[1]))
            if parts == ["refunds"] and method == "POST":
                return self._refund(form, key)
            if parts == ["refunds"]:
                mine = [r for r in self.refunds.values() if r["payment_intent"] == form.get("payment_intent")]
                return 200, {"object": "list", "data": mine, "has_more": False, "url": "/v1/refunds"}
            if parts[0] == "refunds":
                return self._found(next((r for r in self.refunds.values() if r["id"] == parts[1]), None))
            if parts == ["payment_intents"] and method == "POST":
                return self._create(form, key)
            if parts == ["payment_intents"]:
                customer = form.get("customer")
                if customer is not None and customer not in self.customers:
                    return self._found(None)
                mine = [i for i in self.intents.values() if customer in (None, i["customer"])]
                return 200, {"object": "list", "data": mine, "has_more": False, "url": "/v1/payment_intents"}
            intent = self.intents.get(parts[1])
            if intent is not None and parts[-1] == "cancel":
                if intent["status"] == "succeeded":
                    return 400, {"error": {"type": "invalid_request_error", "message": "It has succeeded."}}
                intent["status"] = "canceled"
            return self._found(intent)

    def overtake(self, method: str, form: dict[str, str]) -> None:
        """Send the event of the charge that was just made before its answer, where the customer is such a one."""
        customer = form.get("customer", "")
        if method == "POST" and self.behaviour.get(customer) == "overtake":
            intent = next(intent for intent in reversed(self.intents.values()) if intent["customer"] == customer)
            self.send(self.event("payment_intent.succeeded", intent))

    def stall(self, method: str, form: dict[str, str]) -> None:
        """Keep the answer about a charge back, where the customer is such a one."""
        if method == "POST" and self.behaviour.get(form.get("customer", "")) == "stall":
            self.stalled.set()
            self.go_on.wait(timeout=30)

    def _found(self, thing: dict[str, Any] | None) -> Answer:
        if thing is None:
            return 404, {"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "None."}}
        return 200, thing

    def _customer(self, name: str, form: dict[str, str]) -> Answer:
        found = self.customers.get(name)
        if found is None:
            return self._found(None)
        if self.behaviour.get(name) == "silent":
            return None
        default = found["invoice_settings"]["default_payment_method"]
        if default in self.methods and form.get("expand[0]") == "invoice_settings.default_payment_method":
            found = found | {"invoice_settings": {"default_payment_method": self.methods[default]}}
        return 200, found

    def _refund(self, form: dict[str, str], key: str) -> Answer:
        if self.refund_behaviour == "refuse":
            return 400, {"error": {"type": "invalid_request_error", "message": "The card is gone."}}
        metadata = {k[9:-1]: v for k, v in form.items() if k.startswith("metadata[")}
        refund = self.refunds.setdefault(
            key,
            {
                "id": f"re_{len(self.refunds) + 1}",
                "object": "refund",
                "amount": int(form["amount"]),
                "currency": self.intents[form["payment_intent"]]["currency"],
                "payment_intent": form["payment_intent"],
                "metadata": metadata,
                "status": "pending" if self.refund_behaviour == "wait" else "succeeded",
                "created": int(time.time()),
            },
        )
        if self.refund_behaviour == "strange":
            return 200, {"object": "refund", "status": ["succeeded"]}
        return None if self.refund_behaviour == "drop" else (200, refund)

    def refund_by_hand(self, intent_id: str, amount: int, *, status: str = "succeeded") -> dict[str, Any]:
        """A refund that somebody makes in Stripe's dashboard; its event waits to be sent."""
        intent = self.intents[intent_id]
        refund = {
            "id": f"re_{len(self.refunds) + 1}",
            "object": "refund",
            "amount": amount,
            "currency": intent["currency"],
            "payment_intent": intent_id,
            "metadata": {},
            "status": status,
            "created": int(time.time()),
        }
        self.refunds[refund["id"]] = refund
        mine = [r for r in self.refunds.values() if r["payment_intent"] == intent_id]
        charge = {
            "id": f"ch_{intent_id}",
            "object": "charge",
            "payment_intent": intent_id,
            "amount": intent["amount"],
            "amount_refunded": sum(r["amount"] for r in mine if r["status"] != "failed"),
            "currency": intent["currency"],
            "metadata": intent["metadata"],
        }
        self.events += [self.event("charge.refunded", charge), self.event("refund.created", refund)]
        return refund

    def dispute(self, intent_id: str, amount: int) -> dict[str, Any]:
        """The customer tells their bank that the charge is wrong; the money is withdrawn."""
        dispute = {
            "id": f"dp_{intent_id}",
            "object": "dispute",
            "amount": amount,
            "currency": self.intents[intent_id]["currency"],
            "payment_intent": intent_id,
            "status": "needs_response",
            "metadata": {},
        }
        self.events += [
            self.event("charge.dispute.created", dispute),
            self.event("charge.dispute.funds_withdrawn", dispute),
        ]
        return dispute

    def win(self, dispute: dict[str, Any]) -> None:
        """The customer's bank gives the money of a dispute back."""
        dispute["status"] = "won"
        self.events += [
            self.event("charge.dispute.funds_reinstated", dispute),
            self.event("charge.dispute.closed", dispute),
        ]

    def _create(self, form: dict[str, str], key: str) -> Answer:
        customer = form["customer"]
        behaviour = self.behaviour.get(customer, "")
        if behaviour == "away":
            return None
        if behaviour.startswith("refuse "):
            code, _, param = behaviour[7:].partition(" ")
            error = {"type": "invalid_request_error", "code": code, "param": param, "message": f"No: {code}."}
            return 400, {"error": error}
        intent = self.by_key.get(key)
        if intent is not None and behaviour.startswith("drop_"):
            return int(behaviour[5:]), {"error": {"type": "invalid_request_error", "message": "Not now."}}
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
            kind = {"succeeded": "succeeded", "requires_action": "requires_action", "processing": "processing"}
            self.events.append(self.event(f"payment_intent.{kind.get(intent['status'], 'payment_failed')}", intent))
        if behaviour.startswith("drop"):
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
def running(*accounts: FakeStripe) -> Iterator[str]:
    """Serve these accounts on a free loopback port; yields its address. A key that is no account's is the first's.

    Meanwhile Stripe's library hardly waits between the tries of a request that was dropped.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve(dict(parse_qsl(urlsplit(self.path).query)))

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self._serve(dict(parse_qsl(self.rfile.read(length).decode())))

        def _serve(self, form: dict[str, str]) -> None:
            path = urlsplit(self.path).path
            key = self.headers.get("Authorization", "").removeprefix("Bearer ")
            fake = next((account for account in accounts if account.api_key == key), accounts[0])
            answer = fake.answer(self.command, path, form, self.headers.get("Idempotency-Key") or "")
            fake.overtake(self.command, form)
            fake.stall(self.command, form)
            if answer is None:
                self.close_connection = True
                return
            raw = json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            # Whoever asked may be gone by now.
            with suppress(BrokenPipeError, ConnectionResetError):
                self.end_headers()
                self.wfile.write(raw)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    patience, HTTPClient.INITIAL_DELAY = HTTPClient.INITIAL_DELAY, 0.01
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        HTTPClient.INITIAL_DELAY = patience
        server.shutdown()
        server.server_close()
        thread.join()
