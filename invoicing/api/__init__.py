"""The REST endpoints of the invoicing floor: serializers, filters, views."""
