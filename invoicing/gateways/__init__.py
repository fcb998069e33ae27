"""Ways to collect money: one gateway per type of billing app, behind one interface."""

from customers.choices import AppType
from invoicing.gateways.base import ChargeOutcome, ChargeRequest, CheckProblem, Gateway, PaymentMethodCheck
from invoicing.gateways.sandbox import SandboxGateway

GATEWAYS: dict[str, Gateway] = {AppType.SANDBOX: SandboxGateway()}

__all__ = ["GATEWAYS", "ChargeOutcome", "ChargeRequest", "CheckProblem", "Gateway", "PaymentMethodCheck"]
