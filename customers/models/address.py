"""A postal address, as columns of the party that has it."""

from typing import Any

from django.db import models


class Addressed(models.Model):
    """`country` is ISO 3166-1 alpha-2."""

    country = models.CharField(max_length=2, blank=True)
    postal_code = models.CharField(max_length=32, blank=True)
    state = models.CharField(max_length=100, blank=True)
    city = models.CharField(max_length=100, blank=True)
    line1 = models.CharField(max_length=200, blank=True)
    line2 = models.CharField(max_length=200, blank=True)
    phone_number = models.CharField(max_length=50, blank=True)

    class Meta:
        abstract = True

    def address_on_the_wire(self) -> dict[str, Any]:
        """The address as REST and invoice snapshots spell it; parts not given are left out."""
        parts = {
            "country": self.country,
            "postalCode": self.postal_code,
            "state": self.state,
            "city": self.city,
            "line1": self.line1,
            "line2": self.line2,
            "phoneNumber": self.phone_number,
        }
        return {name: value for name, value in parts.items() if value}
