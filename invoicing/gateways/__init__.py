"""Ways to collect money: one gateway per type of billing app, behind one interface."""

from customers.choices import AppType
from invoicing.gateways.base import (
    ChargeOutcome,
    ChargeRequest,
    Check,
    CheckProblem,
    Gateway,
    KnownAs,
    LocalGateway,
    PaymentMethodCheck,
    RemoteGateway,
)
from invoicing.gateways.sandbox import SandboxGateway
from invoicing.gateways.stripe_gateway import StripeGateway

LOCAL_GATEWAYS: dict[str, LocalGateway] = {AppType.SANDBOX: SandboxGateway()}
REMOTE_GATEWAYS: dict[str, RemoteGateway] = {AppType.STRIPE: StripeGateway()}
GATEWAYS: dict[str, Gateway] = {**LOCAL_GATEWAYS, **REMOTE_GATEWAYS}

__all__ = [
    "GATEWAYS",
    "LOCAL_GATEWAYS",
    "REMOTE_GATEWAYS",
    "ChargeOutcome",
    "ChargeRequest",
    "Check",
    "CheckProblem",
    "Gateway",
    "KnownAs",
    "LocalGateway",
    "PaymentMethodCheck",
    "RemoteGateway",
]
