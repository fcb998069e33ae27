"""Which amounts Stripe never charges, as far as that is known without asking."""

from decimal import Decimal

from core.money import to_wire
from invoicing.gateways.base import ChargeOutcome
from invoicing.gateways.never import AMOUNT_NOT_COUNTED, AMOUNT_TOO_SMALL
from invoicing.gateways.stripe_answers import failed, minor_units

# docs.stripe.com/currencies: the least amount of a charge. What isn't named there Stripe decides when it is asked.
LEAST = {
    currency: Decimal(amount)
    for currency, amount in {
        "AED": "2.00",
        "AUD": "0.50",
        "BGN": "1.00",
        "BRL": "0.50",
        "CAD": "0.50",
        "CHF": "0.50",
        "CZK": "15.00",
        "DKK": "2.50",
        "EUR": "0.50",
        "GBP": "0.30",
        "HKD": "4.00",
        "HUF": "175.00",
        "INR": "0.50",
        "JPY": "50",
        "MXN": "10.00",
        "MYR": "2.00",
        "NOK": "3.00",
        "NZD": "0.50",
        "PLN": "2.00",
        "RON": "2.00",
        "SEK": "3.00",
        "SGD": "0.50",
        "THB": "10.00",
        "USD": "0.50",
    }.items()
}


def why_never(amount: Decimal, currency: str) -> ChargeOutcome | None:
    """The failure that a charge of `amount` would come to without being sent; None where it can be tried."""
    try:
        minor_units(amount, currency)
    except ValueError as error:
        return failed(AMOUNT_NOT_COUNTED, str(error))
    least = LEAST.get(currency)
    if least is None or amount >= least:
        return None
    shown = f"{to_wire(least)} {currency}"
    return failed(AMOUNT_TOO_SMALL, f"Stripe charges {shown} at least, and {to_wire(amount)} {currency} is due.")
