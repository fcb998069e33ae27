"""The REST endpoints of the invoicing package: serializers, filters, views."""
