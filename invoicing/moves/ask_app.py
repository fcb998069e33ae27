"""Asks a billing app whether it could collect from customers. It may call out: never inside a transaction."""

import logging
import uuid
from collections.abc import Collection, Mapping

from customers.models import BillingApp, CustomerAppData
from invoicing.gateways import GATEWAYS, CheckProblem, Gateway, PaymentMethodCheck

logger = logging.getLogger(__name__)


def ask_app(customer_ids: Collection[uuid.UUID], *, app: BillingApp) -> Mapping[uuid.UUID, PaymentMethodCheck]:
    """The app's answer for each customer. An app that charges nothing by itself always could.

    A call that fails, however, is that customer's answer (unreachable) and nobody else's. One query.
    """
    gateway = GATEWAYS.get(app.type)
    if gateway is None or not customer_ids:
        return {}
    known = dict(
        CustomerAppData.objects.filter(app=app, customer_id__in=customer_ids).values_list("customer_id", "external_id")
    )
    return {customer_id: _ask(gateway, app, known.get(customer_id)) for customer_id in customer_ids}


def _ask(gateway: Gateway, app: BillingApp, external_id: str | None) -> PaymentMethodCheck:
    try:
        return gateway.check_customer(app, external_id)
    except Exception as error:
        logger.warning("%s could not be asked about %s", app, external_id, exc_info=True)
        return PaymentMethodCheck(CheckProblem.UNREACHABLE, f"{app} gave no answer ({type(error).__name__}).")
