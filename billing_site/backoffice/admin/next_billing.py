"""Owns how the desk says when a subscription is billed next: what has fallen due may wait for its collection (billing
rules 5)."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.utils.html import format_html
from django.utils.safestring import SafeString

from core import clock
from core.admin.display import EMPTY, above, badge, moment
from customers.effective_settings import Terms, terms_of
from invoicing.closing.rhythm import rhythm_of
from subscriptions.models import Subscription


def set_next_billing(subscriptions: Sequence[Subscription], terms: Mapping[uuid.UUID, Terms] | None = None) -> None:
    """Say on each of these, whose customers are loaded, as `next_shown` when it is billed next. Two queries, none where
    the `terms` of their customers are known."""
    upcoming = {each.customer_id for each in subscriptions if each.next_billing_at is not None}
    if terms is None:
        terms = terms_of(upcoming) if upcoming else {}
    for each in subscriptions:
        if each.next_billing_at is None:
            shown = EMPTY
        else:
            collected = rhythm_of(terms[each.customer_id], each.customer).collects(each.next_billing_at)
            shown = _shown(each, collected)
        each.next_shown = shown  # type: ignore[attr-defined]


def _shown(subscription: Subscription, collected: datetime) -> SafeString:
    due, now, zone = subscription.next_billing_at, clock.now(), subscription.time_zone
    assert due is not None
    if collected <= now:
        return badge("due now", "amber", title=due.isoformat())
    if collected == due:
        return moment(due, zone)
    says = "fell due on {}" if due <= now else "falls due on {}"
    return above(format_html("collected on {}", moment(collected, zone)), format_html(says, moment(due, zone)))
