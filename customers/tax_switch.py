"""Switching tax off for a customer, over REST or in the admin: more customers than one person may takes a second
person."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from core.approvals.limits import count_alone, may_act_alone, need_second_person
from customers.effective_settings import terms_of
from customers.models import Customer

# How acts are counted that leave a customer without tax.
TAX_OFF_RULE = "tax_off"


def tax_off_rule() -> str:
    """What one person does alone, as a sentence."""
    above = settings.TAX_OFF_TWO_PERSON_ABOVE
    return (
        f"For more than {above} customers a day, a second person approves that."
        if above
        else ("A second person approves that.")
    )


@contextmanager
def noticing_tax_off(customer: Customer) -> Iterator[None]:
    """`ApprovalNeeded` where what is done inside leaves a customer without tax who had it, and one person may not do
    that alone. Use it within a transaction, behind the customer's lock."""
    if may_act_alone():
        yield
        return
    before = _is_taxed(customer)
    yield
    if (
        before
        and not _is_taxed(customer)
        and count_alone(TAX_OFF_RULE, customer.pk) > settings.TAX_OFF_TWO_PERSON_ABOVE
    ):
        need_second_person(rule=tax_off_rule(), effect=f"The next invoices of {customer} would be without tax.")


def _is_taxed(customer: Customer) -> bool:
    return bool(terms_of([customer.pk])[customer.pk].settings.values.get("tax_enabled"))
