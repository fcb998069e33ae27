"""The REST endpoints of the subscriptions package: serializers, filters, views."""
