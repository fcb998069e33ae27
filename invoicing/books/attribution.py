"""Owns the part of invariant 8 on whose usage is whose: no usage is two customers', or billed by two subscriptions."""

from collections.abc import Iterator

from django.db import connection

from core.ids import to_text
from customers.models import UsageSubject
from invoicing.books.examination import Finding, name_customer


def attributed_twice() -> Iterator[Finding]:
    """Subjects that are two customers' at one time: their usage would count twice."""
    rows = UsageSubject.objects.raw(
        """
        SELECT s.* FROM customers_usagesubject s
        WHERE EXISTS (SELECT 1 FROM customers_usagesubject o WHERE o.key = s.key AND o.id < s.id
            AND tstzrange(o.active_from, o.deleted_at) && tstzrange(s.active_from, s.deleted_at))
        ORDER BY s.id
        """
    )
    for subject in rows.prefetch_related("customer"):
        yield Finding(
            f"Usage subject {subject.key}",
            f"its usage is attributed to {subject.customer} at a time at which it is another customer's, too.",
            "Give the later attribution the time at which the earlier one ended.",
        )


def subscribed_twice() -> Iterator[Finding]:
    """Features that two subscriptions of a customer have at one time: both bill the same usage. The database refuses
    new ones; those from before it did are left to staff."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.id, o.id, c.name, c.key, c.id, r.feature_key, greatest(r.active_from, p.active_from)
            FROM subscriptions_subscription s
            JOIN customers_customer c ON c.id = s.customer_id
            JOIN subscriptions_subscription o ON o.customer_id = s.customer_id AND o.id < s.id
            JOIN subscriptions_subscriptionitem i ON i.subscription_id = s.id
            JOIN subscriptions_itemrevision r ON r.item_id = i.id
            JOIN subscriptions_subscriptionitem j ON j.subscription_id = o.id
            JOIN subscriptions_itemrevision p ON p.item_id = j.id AND p.feature_key = r.feature_key
            WHERE greatest(r.active_from, s.active_from, p.active_from, o.active_from)
                < coalesce(least(r.active_to, s.active_to, p.active_to, o.active_to), 'infinity')
            ORDER BY s.id, r.feature_key, p.id
            """
        )
        rows = cursor.fetchall()
    for subscription, other, name, key, customer, feature, since in rows:
        yield Finding(
            f"Subscription {to_text(subscription)} of {name_customer(name, key, customer)}",
            f"it has {feature} from {since:%Y-%m-%d %H:%M:%S} UTC on, at a time at which subscription "
            f"{to_text(other)} has it, too: its usage is billed twice.",
            "Cancel one of the two, and credit what it billed for that time.",
        )
