"""Changes of the tax rates that take tax off a place: they reach whoever lives there, so two decide."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.conf import settings

from core import clock
from core.approvals.limits import may_act_alone, need_second_person
from core.countries_and_zones import country_names
from core.jsontext import canonical_json
from core.locks import lock_alone
from customers.models import Customer
from invoicing.closing.load import tax_rates
from invoicing.tax import RateFacts
from invoicing.tax_guards.losses import ANY_SUPPLY, TaxedBy, TaxLoss, place_loses_tax, worst
from invoicing.tax_guards.tax_switch import tax_off_rule

_RATES_LOCK = 0x72617465  # "rate": two who each end one of two rates see what the other did
_TAXED = {"tax_enabled": True, "tax_enforced": False, "tax_code": None, "tax_behavior": "exclusive"}
# A region that no rate names.
_ELSEWHERE = "\uffff"


@contextmanager
def noticing_lost_rates(country: str) -> Iterator[None]:
    """`ApprovalNeeded` where what is done inside to the rates of `country` leaves a place there without a rate that had
    one, or with one that is much lower, at any time, and living customers are there. Use it within a transaction.

    Which of them buy what the rate is for is not asked: they may tomorrow.
    """
    if may_act_alone():
        yield
        return
    lock_alone(_RATES_LOCK)
    before = tax_rates({country}).get(country, ())
    yield
    regions = _losing_regions(country, before, tax_rates({country}).get(country, ()))
    if not regions:
        return
    there = Customer.objects.filter(country=country, deleted_at=None)
    if _ELSEWHERE not in regions:
        there = there.filter(state__in=regions)
    above = settings.TAX_OFF_TWO_PERSON_ABOVE
    if there[: above + 1].count() > above:
        where = country_names().get(country, country)
        part = "" if _ELSEWHERE in regions else f" ({', '.join(sorted(regions))})"
        loss = worst(regions.values())
        need_second_person(rule=_rule(loss), effect=f"Customers in {where}{part} would be {_effect(loss)}.")


def _rule(loss: TaxLoss | None) -> str:
    if loss is TaxLoss.OFF:
        return f"{tax_off_rule()} Where another rate follows, add that one first."
    return tax_off_rule()


def _effect(loss: TaxLoss | None) -> str:
    said = loss.of_supplies if loss else ""
    return said if loss is TaxLoss.LATE else f"{said} for some time or for good"


def _losing_regions(country: str, before: Sequence[RateFacts], after: Sequence[RateFacts]) -> dict[str, TaxLoss]:
    """The regions that lose tax, and how; `_ELSEWHERE` for the country itself."""
    every = [*before, *after]
    codes = {rate.category for rate in every if rate.category}
    supplies = [*ANY_SUPPLY, *(canonical_json({"stripe": {"code": code}}) for code in codes)]
    found = {}
    for region in {_ELSEWHERE} | {rate.region for rate in every if rate.region}:
        place = Customer(country=country, state=region)
        was, will = TaxedBy(_TAXED, place, before), TaxedBy(_TAXED, place, after)
        # At any time: what is over may be unbilled still.
        loss = place_loses_tax(was, will, supplies, now=clock.now())
        if loss is not None:
            found[region] = loss
    return found
