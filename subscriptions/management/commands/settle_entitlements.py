"""`manage.py settle_entitlements`: let entitlements be what subscriptions give, for everyone, with progress."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from core.console import Progress
from core.errors import BillingError
from core.locks import lock_customers
from customers.models import Customer
from subscriptions.lifecycle.entitle import settle_entitlements


class Command(BaseCommand):
    help = (
        "Write the difference between the entitlements that customers have by their subscriptions and those that they "
        "should have: after an upgrade from a version without, or where check_books says so. Running it twice writes "
        "nothing. Exit code 1 where somebody was entitled by hand to what a subscription gives."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        customers = Customer.objects.filter(subscriptions__isnull=False).distinct()
        progress = Progress(self.stdout)
        refused, total = 0, customers.count()
        for done, (pk, name) in enumerate(customers.order_by("pk").values_list("pk", "name").iterator(), 1):
            try:
                with transaction.atomic():
                    lock_customers([pk])
                    settle_entitlements(pk)
            except BillingError as error:
                refused += 1
                self.stdout.write(self.style.ERROR(f"{name}: {error.message}"))
            progress.told(done / max(total, done), f"{done:,} of {total:,} customers")
        if refused:
            sys.exit(1)
