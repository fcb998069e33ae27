"""The review of a change of terms: what changes for a customer, what stays behind, what stands in the way."""

from collections.abc import Sequence

from core.admin.verbs import Review
from customers.choices import AppType
from customers.effective_settings import Terms
from customers.models import BillingApp, Customer, CustomerAppData
from customers.setting_differences import Difference, differences
from invoicing.admin.profile_moves.causes import causes_shown
from invoicing.admin.profile_moves.migration_impact import shown_move
from invoicing.choices import UNISSUED_STATUSES
from invoicing.models import Invoice
from invoicing.profile_moves.causes import Cause, Severity
from invoicing.tax_guards.tax_switch import foresee_tax_off


def drafts_of(customer: Customer) -> list[Invoice]:
    """The customer's open drafts, which keep the terms that they were made with."""
    drafts = Invoice.objects.filter(customer=customer, status__in=UNISSUED_STATUSES)
    return list(drafts.select_related("profile", "customer").order_by("-created_at"))


def known_at_stripe(customer: Customer) -> dict[BillingApp, str]:
    """The customer's ids at the Stripe apps that are installed. One query."""
    known = CustomerAppData.objects.filter(customer=customer, app__type=AppType.STRIPE, app__deleted_at=None)
    rows = known.exclude(external_id=None).select_related("app").order_by("app__name")
    return {row.app: str(row.external_id) for row in rows}


def terms_review(
    customer: Customer,
    before: Terms,
    after: Terms,
    causes: Sequence[Cause] = (),
    *,
    with_money: bool = True,
    known_as: str | None = None,
) -> Review:
    """What changes for one customer, what stays behind, and what stands in the way. `known_as` is the id at Stripe
    that is set along with it. Says, too, where a second person is needed."""
    foresee_tax_off([customer], {customer.pk: before.settings.values}, {customer.pk: after.settings.values})
    parties = [
        Difference("profile", "Billing profile", str(before.profile), str(after.profile)),
        Difference("supplier", "Supplier", str(before.profile.supplier), str(after.profile.supplier)),
        Difference("app", "Billing app", str(before.profile.app), str(after.profile.app)),
    ]
    if after.profile.app.type == AppType.STRIPE:
        now = known_at_stripe(customer).get(after.profile.app, "none")
        parties.append(Difference("id", f"Customer id at {after.profile.app}", now, known_as or now))
    settings = differences(before.settings.values, after.settings.values, origins=after.settings.origins)
    blocks = [cause for cause in causes if cause.severity == Severity.BLOCKED]
    moves = before.profile != after.profile
    context = {
        "customer": customer,
        "rows": [*parties, *settings],
        "differing": sum(1 for row in (*parties, *settings) if row.differs),
        "causes": causes_shown([cause.as_json() for cause in causes]),
        "drafts": drafts_of(customer),
        "impacts": shown_move(customer, before.profile, after.profile) if with_money and moves else [],
        "moves": moves,
    }
    why_not = f"{customer} is blocked, and stays on “{before.profile}”." if blocks else ""
    return Review("backoffice/review_terms.html", context, why_not)
