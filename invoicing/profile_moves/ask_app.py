"""Asks a billing app whether it could collect from customers. It may call out: never inside a transaction."""

import logging
import uuid
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from customers.models import BillingApp, CustomerAppData
from invoicing.gateways import GATEWAYS, Check, CheckProblem, KnownAs, PaymentMethodCheck

logger = logging.getLogger(__name__)

CALLS_AT_ONCE = 8


def ask_app(customer_ids: Collection[uuid.UUID], *, app: BillingApp) -> Mapping[uuid.UUID, PaymentMethodCheck]:
    """The app's answer for each customer. An app that charges nothing by itself always could.

    A call that fails, however, is that customer's answer (unreachable) and nobody else's. Two queries; calls over the
    network go out several at once.
    """
    gateway = GATEWAYS.get(app.type)
    if gateway is None or not customer_ids:
        return {}
    known = {
        row.customer_id: KnownAs(row.external_id, row.data.get("defaultPaymentMethodId"))
        for row in CustomerAppData.objects.filter(app=app, customer_id__in=customer_ids)
    }
    asked = [known.get(customer_id, KnownAs()) for customer_id in customer_ids]
    with gateway.checking(app) as check:
        ask = partial(_ask, check, app)
        if gateway.is_local:
            answers = [ask(one) for one in asked]
        else:
            with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
                answers = list(pool.map(ask, asked))
    return dict(zip(customer_ids, answers, strict=True))


def _ask(check: Check, app: BillingApp, known: KnownAs) -> PaymentMethodCheck:
    try:
        return check(known)
    except Exception as error:  # no answer, whatever the reason: the customer is blocked, the others are not
        logger.warning("%s could not be asked about %s", app, known.external_id, exc_info=True)
        return PaymentMethodCheck(CheckProblem.UNREACHABLE, f"{app} gave no answer ({type(error).__name__}).")
