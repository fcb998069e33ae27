"""The REST endpoints of the customers package: serializers, filters, views."""
