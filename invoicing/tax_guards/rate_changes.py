"""Changes of the tax rates that leave a place without one: they reach whoever lives there, so two decide."""

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
from invoicing.tax_guards.losses import ANY_SUPPLY, TaxedBy, boundaries, loses_tax
from invoicing.tax_guards.tax_switch import tax_off_rule

_RATES_LOCK = 0x72617465  # "rate": two who each end one of two rates see what the other did
_TAXED = {"tax_enabled": True, "tax_enforced": False, "tax_code": None, "tax_behavior": "exclusive"}
# A region that no rate names.
_ELSEWHERE = "\uffff"


@contextmanager
def noticing_lost_rates(country: str) -> Iterator[None]:
    """`ApprovalNeeded` where what is done inside to the rates of `country` leaves a place there without a rate that had
    one, at any time, and living customers are there. Use it within a transaction.

    Which of them buy what the rate is for is not asked: they may tomorrow.
    """
    if may_act_alone():
        yield
        return
    lock_alone(_RATES_LOCK)
    before = tax_rates({country}).get(country, ())
    yield
    regions = _regions_without(country, before, tax_rates({country}).get(country, ()))
    if not regions:
        return
    there = Customer.objects.filter(country=country, deleted_at=None)
    if _ELSEWHERE not in regions:
        there = there.filter(state__in=regions)
    above = settings.TAX_OFF_TWO_PERSON_ABOVE
    if there[: above + 1].count() > above:
        where = country_names().get(country, country)
        part = "" if _ELSEWHERE in regions else f" ({', '.join(sorted(regions))})"
        need_second_person(
            rule=f"{tax_off_rule()} Where another rate follows, add that one first: it needs nobody.",
            effect=f"Customers in {where}{part} would be billed without tax for some time or for good.",
        )


def _regions_without(country: str, before: Sequence[RateFacts], after: Sequence[RateFacts]) -> set[str]:
    """The regions that lose their tax; `_ELSEWHERE` for the country itself."""
    every = [*before, *after]
    codes = {rate.category for rate in every if rate.category}
    supplies = [*ANY_SUPPLY, *(canonical_json({"stripe": {"code": code}}) for code in codes)]
    # Time that is over may be unbilled still.
    since = min([clock.now(), *boundaries(every)])
    found = set()
    for region in {_ELSEWHERE} | {rate.region for rate in every if rate.region}:
        place = Customer(country=country, state=region)
        if loses_tax(TaxedBy(_TAXED, place, before), TaxedBy(_TAXED, place, after), supplies, now=since):
            found.add(region)
    return found
