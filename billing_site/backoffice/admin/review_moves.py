"""Owns what is shown before many customers are moved at once: how each stands, who waits, and what one may not do."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from core import clock
from core.admin.display import badge
from core.admin.verbs import Review
from core.ids import to_text
from customers.effective_settings import Terms, terms_of, terms_under
from customers.models import BillingProfile, Customer
from invoicing.admin.profile_moves.causes import VERDICT_TONES, causes_shown
from invoicing.choices import MoveVerdict
from invoicing.profile_moves.ask_app import ask_app
from invoicing.profile_moves.causes import Cause, severity_of
from invoicing.profile_moves.check_customers import check_customers
from invoicing.profile_moves.limit_moves import why_not_move_all
from invoicing.tax_guards.tax_switch import foresee_tax_off
from subscriptions.lifecycle.states import still_billed
from subscriptions.models import Subscription

# What an address has room for.
_MOST_NAMED = 100


def loaded(profile: BillingProfile) -> BillingProfile:
    """The profile with its supplier and app."""
    return BillingProfile.objects.select_related("supplier", "app").get(pk=profile.pk)


def review_moves(customers: Sequence[Customer], target: BillingProfile) -> Review:
    """How each of many customers stands before they are moved to `target`."""
    ids, now = [customer.pk for customer in customers], clock.now()
    terms = terms_of(ids)
    moving = [pk for pk in ids if terms[pk].profile != target]
    found = _causes(moving, target, now)
    rows: list[dict[str, Any]] = []
    blocked = 0
    for customer in customers:
        causes = found.get(customer.pk, ())
        verdict = MoveVerdict(severity_of(causes).value)
        blocked += verdict == MoveVerdict.BLOCKED
        rows.append(
            {
                "customer": customer,
                "before": terms[customer.pk].profile,
                "badge": badge(str(verdict.label), VERDICT_TONES[verdict]),
                "causes": causes_shown([cause.as_json() for cause in causes]),
                "stays": customer.pk not in found,
            }
        )
    free = [customer for customer in customers if customer.pk in found and not _is_blocked(found[customer.pk])]
    refusal = why_not_move_all(free, target)
    after = terms_under([customer.pk for customer in free], target)
    waiting = {customer.pk for customer in foresee_tax_off(free, _values(terms), _values(after))}
    for row in rows:
        row["waits"] = row["customer"].pk in waiting
    sources = {terms[customer.pk].profile for customer in free}
    movable = len(rows) - blocked
    context = {
        "rows": rows,
        "target": target,
        "blocked": blocked,
        "staying": len(rows) - len(moving),
        "moving": len(moving) - blocked - len(waiting),
        "waiting": len(waiting),
        "possible": movable,
        "migrate_url": _migration_url(free, sources, target) if refusal else "",
    }
    why_not = "All of them are blocked." if rows and blocked == len(rows) else refusal
    return Review("backoffice/review_moves.html", context, why_not)


def _values(terms: Mapping[uuid.UUID, Terms]) -> dict[uuid.UUID, Mapping[str, Any]]:
    return {pk: theirs.settings.values for pk, theirs in terms.items()}


def _causes(moving: Sequence[uuid.UUID], target: BillingProfile, now: datetime) -> Mapping[uuid.UUID, Sequence[Cause]]:
    live = Subscription.objects.filter(still_billed(now), customer_id__in=moving)
    answers = ask_app(sorted(set(live.order_by().values_list("customer_id", flat=True))), app=target.app)
    return check_customers(moving, target=target, answers=answers, now=now)


def _is_blocked(causes: Sequence[Cause]) -> bool:
    return MoveVerdict(severity_of(causes).value) == MoveVerdict.BLOCKED


def _migration_url(customers: Sequence[Customer], sources: set[BillingProfile], target: BillingProfile) -> str:
    """The draft of a migration that does instead what one person may not: filled in as far as one migration can, which
    moves from one profile."""
    query = {"to_profile": str(target.pk)}
    if len(sources) == 1:
        query["from_profile"] = str(next(iter(sources)).pk)
        if len(customers) <= _MOST_NAMED:
            query["named"] = " ".join(to_text(customer.pk) for customer in customers)
    return f"{reverse('admin:invoicing_profilemigration_add')}?{urlencode(query)}"


def too_many(customers: Sequence[Customer], target: BillingProfile) -> str:
    """Why one person can't move all of these; "" where they can. Who is blocked moves nowhere and does not count."""
    terms = terms_of([customer.pk for customer in customers])
    moving = [customer for customer in customers if terms[customer.pk].profile != target]
    if not why_not_move_all(moving, target):
        return ""
    found = _causes([customer.pk for customer in moving], loaded(target), clock.now())
    return why_not_move_all([customer for customer in moving if not _is_blocked(found[customer.pk])], target)
