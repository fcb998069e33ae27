"""Changes what a bought add-on is called in its subscription."""

from collections.abc import Mapping

from django.db import transaction

from core.audit.services.record import record
from subscriptions.models import SubscriptionAddOn


@transaction.atomic
def describe_purchase(
    *,
    purchase: SubscriptionAddOn,
    name: str | None = None,
    description: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> SubscriptionAddOn:
    """Replace what is given; None leaves it as it is. Invoices show the names of rate cards, so none changes."""
    purchase = SubscriptionAddOn.objects.select_for_update(of=("self",)).get(pk=purchase.pk)
    if name is not None:
        purchase.name = name
    if description is not None:
        purchase.description = description
    if metadata is not None:
        purchase.metadata = dict(metadata)
    purchase.save()
    record(
        verb="subscription.addon_described",
        target=purchase.subscription,
        did=f"changed the description of {purchase.name} of {purchase.subscription}",
        customer_id=purchase.subscription.customer_id,
    )
    return purchase
