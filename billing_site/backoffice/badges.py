"""The counts that the navigation shows."""

from django.http import HttpRequest

from invoicing.models import ParkedCustomer


def parked(request: HttpRequest) -> str:
    """How many customers are parked; nothing for none."""
    count = ParkedCustomer.objects.still_parked().count()
    return str(count) if count else ""
