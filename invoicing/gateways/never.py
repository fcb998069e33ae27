"""Charges that can never succeed as they are: causes for staff, with what helps. No try of the dunning plan is used up,
and no customer is told that their payment failed (billing rules 11). Pure."""

AMOUNT_TOO_SMALL = "amount_too_small"
AMOUNT_TOO_LARGE = "amount_too_large"
AMOUNT_NOT_COUNTED = "amount_not_chargeable"
CURRENCY_NOT_SUPPORTED = "currency_not_supported"
CANNOT_CHARGE = "cannot_charge"
REFUSED = "refused"

_PAID_OTHERWISE = "record a payment that comes in otherwise"
# What helps, by the code of the failure. The first three end with another amount: then it is charged by itself.
WHAT_HELPS = {
    AMOUNT_TOO_SMALL: f"{_PAID_OTHERWISE.capitalize()}, credit the rest, or write it off.",
    AMOUNT_TOO_LARGE: f"{_PAID_OTHERWISE.capitalize()}: once less is due, the rest is charged by itself.",
    AMOUNT_NOT_COUNTED: f"{_PAID_OTHERWISE.capitalize()}, or credit the part that can't be charged: then the rest is.",
    CURRENCY_NOT_SUPPORTED: f"{_PAID_OTHERWISE.capitalize()}, and bill the customer through another app from now on.",
    CANNOT_CHARGE: f"{_PAID_OTHERWISE.capitalize()}, or have the customer billed through an app that charges.",
    REFUSED: f"Mend what it names, then charge it again; or {_PAID_OTHERWISE}.",
}
NEVER_CHARGED = frozenset(WHAT_HELPS)
BY_AMOUNT = frozenset({AMOUNT_TOO_SMALL, AMOUNT_TOO_LARGE, AMOUNT_NOT_COUNTED})


def cause_for_staff(code: str, message: str) -> str:
    """What an invoice says of such a failure: why, that nothing more is tried, and what helps."""
    return f"{message} It is not tried again by itself. {WHAT_HELPS[code]}"
