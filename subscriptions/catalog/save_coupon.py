"""Creates and replaces coupons."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from core.audit.services.record import record
from core.errors import Conflict, field_error
from core.money import exponent, is_in_minor_units
from subscriptions.catalog.discount_limits import check_coupon_discount
from subscriptions.models import Coupon

# What past redemptions were promised; once there is one, these stay.
_TERMS = ("percentage", "amount", "currency", "periods")


@dataclass(frozen=True, slots=True, kw_only=True)
class CouponFacts:
    """What a coupon says: `percentage` (50 means 50 %), or `amount` with `currency`; `periods` None means forever."""

    code: str
    name: str = ""
    percentage: Decimal | None = None
    amount: Decimal | None = None
    currency: str = ""
    periods: int | None = 1
    item_keys: Sequence[str] = ()
    plan_keys: Sequence[str] = ()
    redemption_limit: int | None = None
    expires_at: datetime | None = None


@transaction.atomic
def create_coupon(*, facts: CouponFacts) -> Coupon:
    """A new coupon. InvalidInput for impossible terms, Conflict where the code is taken."""
    _check(facts)
    check_coupon_discount(facts.code, facts.percentage, facts.amount, facts.currency)
    if Coupon.objects.filter(code=facts.code).exists():
        raise Conflict(f"There is a coupon {facts.code} already; nothing was created.", code="coupon_exists")
    coupon = Coupon.objects.create(**_columns(facts))
    record(verb="coupon.created", target=coupon, did=f"created coupon {coupon}")
    return coupon


@transaction.atomic
def replace_coupon(*, coupon: Coupon, facts: CouponFacts) -> Coupon:
    """Make `coupon` say what `facts` say. InvalidInput for what no coupon can say and for another code; Conflict, once
    it was redeemed, for anything else to take off (billing rules 3). Neither changes anything."""
    coupon = Coupon.objects.select_for_update().get(pk=coupon.pk)
    _check(facts)
    if facts.code != coupon.code:
        raise field_error("code", "immutable", f"The code of coupon {coupon} can't be changed; nothing was.")
    new = _columns(facts)
    if coupon.redemptions.exists():
        for name in _TERMS:
            if new[name] != getattr(coupon, name):
                raise Conflict(
                    f"Coupon {coupon} was redeemed, so its {name} stays; nothing was changed. Archive it and create "
                    "another.",
                    code="coupon_in_use",
                )
    if _gives_more(coupon, facts):
        check_coupon_discount(facts.code, facts.percentage, facts.amount, facts.currency)
    changes = {name: [_plain(getattr(coupon, name)), _plain(value)] for name, value in new.items()}
    for name, value in new.items():
        setattr(coupon, name, value)
    coupon.save()
    record(
        verb="coupon.changed",
        target=coupon,
        did=f"changed coupon {coupon}",
        changes={name: pair for name, pair in changes.items() if pair[0] != pair[1]},
    )
    return coupon


def _gives_more(coupon: Coupon, facts: CouponFacts) -> bool:
    """Whether it takes off something else, or might be redeemed more often, for longer or elsewhere than before: what a
    second person approved was that coupon for these customers, not for everybody."""
    if any(getattr(facts, name) != getattr(coupon, name) for name in _TERMS):
        return True
    bounds = ((facts.redemption_limit, coupon.redemption_limit), (facts.expires_at, coupon.expires_at))
    if any(_is_wider(new, old) for new, old in bounds):
        return True
    keys = ((facts.item_keys, coupon.item_keys), (facts.plan_keys, coupon.plan_keys))
    return any(bool(old) and (not new or not set(new) <= set(old)) for new, old in keys)


def _is_wider(new: Any, old: Any) -> bool:
    """Whether a bound was moved outwards; None is none."""
    return old is not None and (new is None or new > old)


def _check(facts: CouponFacts) -> None:
    if (facts.percentage is None) == (facts.amount is None):
        raise field_error("percentage", "percentage_or_amount", "Give either percentage or amount.")
    if facts.percentage is not None and not 0 < facts.percentage <= 100:
        raise field_error("percentage", "out_of_range", "percentage must be above 0 and at most 100.")
    if facts.amount is not None:
        if facts.amount <= 0:
            raise field_error("amount", "not_positive", "amount must be more than zero.")
        if not facts.currency:
            raise field_error("currency", "required", "A fixed amount needs its currency.")
        places = exponent(facts.currency)
        if not is_in_minor_units(facts.amount, facts.currency):
            raise field_error("amount", "too_many_places", f"{facts.currency} has {places} decimal places.")
    elif facts.currency:
        raise field_error("currency", "not_for_percentage", "A percentage has no currency.")
    if facts.periods is not None and facts.periods < 1:
        raise field_error("periods", "not_positive", "periods must be at least 1, or null for forever.")


def _columns(facts: CouponFacts) -> dict[str, object]:
    columns = {field.name: getattr(facts, field.name) for field in fields(facts)}
    return columns | {"item_keys": list(facts.item_keys), "plan_keys": list(facts.plan_keys)}


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, str | int | list) else str(value)
